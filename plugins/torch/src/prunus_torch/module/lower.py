"""A module as a network: its parameters are the initializers, its parts the layers."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterable, Mapping
from pathlib import Path

import attrs
import onnx_ir as ir
import torch
from onnx_ir.passes.common import RemoveUnusedNodesPass
from torch import nn

from prunus.plugin import Binding, ModelError, Network, network_from_onnx
from prunus_torch import FORMAT
from prunus_torch.module.example import Example
from prunus_torch.module.exporting import exported, onnx_of
from prunus_torch.module.origin import Origin, tensors_of
from prunus_torch.module.own_numbers import Target, targets_of
from prunus_torch.module.protect import protected
from prunus_torch.module.tidy import SCOPES
from prunus_torch.module.views import Places, Positions, move_parameters, places_of


def lower_module(module: nn.Module, example: Example, path: Path | None = None) -> Network:
    """Express a module as a neutral graph; what its code does not let shrink is frozen.

    Args:
        module: The module; it is copied, and stays as it is.
        example: A call of it.
        path: The file it comes from.

    Raises:
        ModelError: torch cannot export it, or its graph does not compute the same.
    """
    own = _copied(module)
    name = type(module).__name__ if path is None else str(path)
    return protected(lowered(own, exported(own, example), example, name, path))


def lowered(
    module: nn.Module,
    program: torch.export.ExportedProgram,
    example: Example,
    name: str,
    path: Path | None,
) -> Network:
    """The network of an exported program; nothing is tried yet."""
    model = onnx_of(program, name)
    places = places_of(tensors_of(module))
    moved = move_parameters(model, places)
    model = RemoveUnusedNodesPass()(model).model
    network = network_from_onnx(ir.to_proto(model), Path(name), None)
    there = network.model.graph.initializers
    moved = {initializer: where for initializer, where in moved.items() if initializer in there}
    shown = _shown(there, places, moved)
    bindings = _bindings(network, places, shown)
    return attrs.evolve(
        network,
        format=FORMAT,
        layers=_layers(network.model, bindings),
        bindings=bindings,
        origin=Origin(module, example, places, moved, shown, _targets(network.model), path),
    )


def _copied(module: nn.Module) -> nn.Module:
    try:
        return copy.deepcopy(module)
    except Exception as error:
        raise ModelError(
            f"{type(module).__name__}: cannot be copied (copy.deepcopy): {error}; tensors that "
            "were computed have no place in a module, make them buffers"
        ) from error


def _layers(model: ir.Model, bindings: Mapping[str, Binding]) -> dict[str, tuple[str, ...]]:
    """Name of a part of the module -> its nodes.

    What the forward of the whole does itself goes by the name of the node.
    """
    layers: dict[str, list[str]] = {}
    for node in model.graph:
        layers.setdefault(_part(node, bindings), []).append(node.name or "")
    return {layer: tuple(nodes) for layer, nodes in layers.items()}


def _targets(model: ir.Model) -> dict[str, Target]:
    """What the parts of the module reshape to."""
    return targets_of(model, {node.name or "": _scope(node) for node in model.graph})


def _scope(node: ir.Node) -> str:
    """The innermost part that ran a node; nothing for the whole module."""
    scopes = node.metadata_props.get(SCOPES)
    names = ast.literal_eval(scopes) if scopes else []
    return names[-2] if len(names) > 1 else ""


def _part(node: ir.Node, bindings: Mapping[str, Binding]) -> str:
    """The innermost part that ran a node, or one inside of it whose weight the node reads."""
    part = _scope(node)
    for value in node.inputs:
        read = bindings.get(value.name or "") if value is not None else None
        if read is not None and (not part or read.layer.startswith(f"{part}.")):
            return read.layer
    return part or node.name or ""


def _shown(
    initializers: Iterable[str], places: Places, moved: Mapping[str, Positions]
) -> dict[int, tuple[str, ...]]:
    """Start of a parameter -> initializers that show it."""
    shown: dict[int, tuple[str, ...]] = {}
    for initializer in initializers:
        if initializer in moved:
            starts = places.touched(moved[initializer])
        else:
            starts = [places.starts[initializer]] if initializer in places.starts else []
        for start in starts:
            shown[start] = (*shown.get(start, ()), initializer)
    return shown


def _bindings(
    network: Network, places: Places, shown: Mapping[int, tuple[str, ...]]
) -> dict[str, Binding]:
    """Parameters that one initializer alone stands for, and which it alone makes up.

    Where two do (an embedding that is the last layer's weight, too) new numbers could differ, so
    nothing may give them any.
    """
    names = {start: name for name, start in reversed(list(places.starts.items()))}
    owners: dict[str, list[int]] = {}
    for start, initializers in shown.items():
        for initializer in initializers:
            owners.setdefault(initializer, []).append(start)
    bindings = {}
    for initializer, found in network.bindings.items():
        starts = owners.get(initializer, [])
        if len(starts) == 1 and len(shown[starts[0]]) == 1:
            name = names[starts[0]]
            bindings[initializer] = Binding(name.rpartition(".")[0] or name, found.role, name)
    return bindings
