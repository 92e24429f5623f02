"""Files of torch as networks."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from prunus.plugin import ModelError, Network, Source, UsageError
from prunus_torch.files.factory import built
from prunus_torch.files.kinds import PROGRAM
from prunus_torch.files.opening import open_checkpoint, open_program
from prunus_torch.module.example import SAMPLES, Example, example_of
from prunus_torch.module.lower import lower_module, lowered
from prunus_torch.module.origin import Origin
from prunus_torch.module.protect import protected
from prunus_torch.module.resize import resize


def load(source: Source) -> Network:
    """Read a program or a checkpoint.

    Raises:
        ModelError: a file is missing, damaged, or cannot be expressed.
        UsageError: an option is missing or cannot be used.
    """
    return _program(source) if source.model.suffix == PROGRAM else _checkpoint(source)


def _program(source: Source) -> Network:
    program = open_program(source.model)
    if source.weights is not None and source.weights != source.model:
        replace_state(program, _state_of(source.weights), source.weights)
    module = program.module()
    example = _example(program)
    network = lowered(module, program, example, str(source.model), source.model)
    return protected(network)


def replace_state(
    program: torch.export.ExportedProgram, state: Mapping[str, Tensor], path: Path
) -> None:
    """Give a program other numbers in place.

    Raises:
        UsageError: a tensor is missing, or has another shape.
    """
    for name, tensor in program.state_dict.items():
        new = state.get(name)
        if new is None or new.shape != tensor.shape:
            said = "has no" if new is None else "has another size of"
            raise UsageError(f"{path}: {said} '{name}'; give weights of the same structure")
        with torch.no_grad():
            tensor.copy_(new)


def _state_of(path: Path) -> Mapping[str, Tensor]:
    if path.suffix == PROGRAM:
        return dict(open_program(path).state_dict)
    state = open_checkpoint(path, unsafe=False)
    assert not isinstance(state, nn.Module)
    return state


def _checkpoint(source: Source) -> Network:
    path, options = source.model, source.options
    content = open_checkpoint(path, unsafe=options.get("unsafe", "no").lower() == "yes")
    if isinstance(content, nn.Module):
        module = content
    elif "module" in options:
        module = _filled(built(options["module"]), content, path)
    else:
        raise UsageError(
            f"{path}: a state dict has no structure; say what builds its module: --option "
            "module=FILE.py:function (it is run)"
        )
    if source.weights is not None and source.weights != path:
        module = _filled(module, _state_of(source.weights), source.weights)
    network = lower_module(module, _sized(options.get("input-shape", ""), path), path)
    assert isinstance(network.origin, Origin)
    origin = attrs.evolve(network.origin, pickled=isinstance(content, nn.Module))
    return attrs.evolve(network, origin=origin)


def _filled(module: nn.Module, state: Mapping[str, Tensor], path: Path) -> nn.Module:
    try:
        return resize(module, state)
    except UsageError as error:
        raise ModelError(f"{path}: {error}") from error


def _sized(text: str, path: Path) -> Example:
    """Random inputs of the sizes ``1x3x224x224``, several by ``,``."""
    try:
        shapes = [tuple(int(size) for size in part.split("x")) for part in text.split(",")]
    except ValueError:
        raise UsageError(
            f"{path}: a checkpoint does not say its inputs; give their sizes: --option "
            "input-shape=1x3x224x224, several separated by ','"
        ) from None
    draw = torch.Generator().manual_seed(0)
    return example_of(tuple(torch.randn(SAMPLES, *shape[1:], generator=draw) for shape in shapes))


def _example(program: torch.export.ExportedProgram) -> Example:
    """The program's own example, or random inputs of the sizes it states."""
    free = any(not isinstance(size, int) for shape in _shapes(program) for size in shape[:1])
    if program.example_inputs is not None:
        args, kwargs = program.example_inputs
        example = Example(tuple(args), dict(kwargs or {}))
    else:
        draw = torch.Generator().manual_seed(0)
        flat = [
            torch.randn(*(n if isinstance(n, int) else SAMPLES for n in shape), generator=draw)
            for shape in _shapes(program)
        ]
        args, kwargs = pytree.tree_unflatten(flat, program.call_spec.in_spec)
        example = Example(tuple(args), dict(kwargs))
    if not free:
        return example
    return example_of(dict(example.kwargs) if example.kwargs else example.args)


def _shapes(program: torch.export.ExportedProgram) -> list[tuple[Any, ...]]:
    """Shape of every input that a user gives; sizes that are free are no int."""
    names = set(program.graph_signature.user_inputs)
    return [
        tuple(node.meta["val"].shape)
        for node in program.graph.nodes
        if node.op == "placeholder" and node.name in names and isinstance(node.meta["val"], Tensor)
    ]
