"""A module as an ONNX graph of whole layers, by torch.export and torch's ONNX exporter.

Nothing is fused: a parameter of the module is an initializer of its name.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from traceback import walk_tb
from typing import Any

import onnx_ir as ir
import torch
from onnx_ir.passes.common import RemoveUnusedNodesPass, ShapeInferencePass
from torch import nn
from torch.utils import _pytree as pytree

from prunus.plugin import ModelError, UsageError
from prunus_torch.module.example import Example
from prunus_torch.module.tidy import tidy


def exported(module: nn.Module, example: Example) -> torch.export.ExportedProgram:
    """The calls of a module in evaluation mode, for any number of samples.

    Raises:
        ModelError: the module does not run, or torch.export cannot follow it.
    """
    name = type(module).__name__
    with evaluating(module), torch.no_grad():
        try:
            module(*example.args, **example.kwargs)
        except Exception as error:
            raise ModelError(
                f"{name}: does not run on the example inputs: {first_line(error)}; give "
                "example_inputs as the module is called"
            ) from error
        free = pytree.tree_map(_free, (example.args, dict(example.kwargs)))
        shapes = free[1] if example.kwargs else free[0]
        try:
            with quiet():
                return torch.export.export(
                    module, example.args, dict(example.kwargs), dynamic_shapes=shapes, strict=False
                )
        except Exception as error:
            raise ModelError(
                f"{name}: torch.export cannot follow the module: {first_line(error)}; what depends "
                "on data in its forward has to go (torch.export's documentation says how)"
            ) from error


def onnx_of(program: torch.export.ExportedProgram, name: str) -> ir.Model:
    """The graph of an exported program, nothing fused; what torch computes from sizes is folded.

    Raises:
        ModelError: torch cannot express a call in ONNX.
        UsageError: onnxscript is missing.
    """
    try:
        from onnxscript.optimizer import fold_constants
    except ImportError:
        raise UsageError(
            "PyTorch modules are read through ONNX, which needs the package onnxscript; "
            "pip install 'prunus-torch[modules]'"
        ) from None
    try:
        with quiet():
            written = torch.onnx.export(program, dynamo=True, optimize=False, verbose=False)
    except Exception as error:
        raise ModelError(
            f"{name}: torch cannot express the module in ONNX: {first_line(error)}"
        ) from error
    assert written is not None
    model = written.model
    parameters = set(model.graph.initializers)
    cuts = {
        node.outputs[0].name: dict(node.metadata_props)
        for node in model.graph
        if node.op_type == "SplitToSequence"
    }
    with quiet():
        fold_constants(model, should_fold=lambda node: False if _reads(node, parameters) else None)
    _mark_splits(model, cuts)
    model = ShapeInferencePass()(model).model
    tidy(model, parameters)
    return RemoveUnusedNodesPass()(model).model


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Evaluation mode for a while; every part gets its own mode back.

    The flags are set one by one: an exported module has no ``eval()``, a user's own may do more.
    """
    modes = {part: part.training for part in module.modules()}
    try:
        for part in modes:
            part.training = False
        yield
    finally:
        for part, mode in modes.items():
            part.training = mode


@contextmanager
def quiet() -> Iterator[None]:
    """Without warnings and log lines of the exporters, which are for authors of exporters."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def first_line(error: BaseException) -> str:
    """What an error says, in one line; the exporters wrap it in reports of many."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def place_of(error: BaseException) -> str:
    """Innermost line of an error outside of torch and of here: `` at net.py:12``, or nothing."""
    ours = (Path(torch.__file__).parent, Path(__file__).parents[1])
    found = ""
    for frame, line in walk_tb(error.__traceback__):
        path = Path(frame.f_code.co_filename)
        if path.suffix == ".py" and not any(path.is_relative_to(own) for own in ours):
            found = f" at {path.name}:{line}"
    return found


def _mark_splits(model: ir.Model, cuts: Mapping[str | None, Mapping[str, str]]) -> None:
    """Folding makes a Split of a cut, named after it, and forgets which part of the module it is.

    Args:
        model: The folded graph.
        cuts: Name of what a cut made -> its metadata.
    """
    for node in model.graph:
        if node.op_type == "Split":
            made = (node.outputs[0].name or "").rpartition("_split_")[0]
            node.metadata_props.update(cuts.get(made, {}))


def _free(leaf: Any) -> Any:
    return {0: torch.export.Dim.AUTO} if isinstance(leaf, torch.Tensor) else None


def _reads(node: ir.Node, names: set[str]) -> bool:
    return any(value is not None and value.name in names for value in node.inputs)
