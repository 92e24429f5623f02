"""Groups of single weights: one a layer, free or in an N:M pattern along the input axis."""

from __future__ import annotations

from collections.abc import Iterator

import attrs
import numpy as np
import onnx_ir as ir

from prunus.granularity import WEIGHT, Granularity
from prunus.graph.macs import COUNTED
from prunus.grouping.find import Grouping, find_groups
from prunus.groups import Group, Indices, Member, Protected
from prunus.network import Network


def find_weights(
    network: Network, granularity: Granularity, exclude: tuple[str, ...] = ()
) -> Grouping:
    """Group the weights of each convolution and fully connected layer.

    Units follow each other along the input axis of the layer (the input channels of a
    convolution): an N:M pattern holds there, as sparse engines read it.

    Args:
        network: The loaded network.
        granularity: Of single weights.
        exclude: Native layer names whose weights stay.
    """
    channels = find_groups(network)
    groups: list[Group] = []
    protected: list[Protected] = []
    names: set[str] = set()
    for layer, name, axis in weights_of(network):
        array = network.weights()[name]
        reason = _held(network, layer, array.shape[axis], granularity, exclude)
        if reason is not None:
            protected.append(Protected(layer, array.shape[axis], reason))
            continue
        own = layer if layer not in names else name
        names.add(own)
        member = Member(name, "weight", tuple(range(array.ndim)), _positions(array.shape, axis))
        pattern = granularity.pattern
        groups.append(Group(own, (layer,), (member,), unit=WEIGHT, pattern=pattern))
    return attrs.evolve(channels, groups=tuple(groups), protected=tuple(protected), units={})


def total_weights(network: Network) -> int:
    """Weights of all convolutions and fully connected layers, without biases."""
    weights = network.weights()
    return sum(weights[name].size for _, name, _ in weights_of(network))


def weights_of(network: Network) -> Iterator[tuple[str, str, int]]:
    """Layer, initializer and input axis of every weight; one that several nodes share once."""
    layers = {node: layer for layer, nodes in network.layers.items() for node in nodes}
    seen: set[str] = set()
    for node in network.model.graph:
        weight = node.inputs[1] if node.op_type in COUNTED else None
        name = None if weight is None else weight.name
        if weight is None or name is None or name in seen or not _is_stored(network, name):
            continue
        if weight.const_value is None or weight.const_value.dtype != ir.DataType.FLOAT:
            continue
        seen.add(name)
        yield layers.get(node.name or "", node.name or ""), name, _input_axis(node, weight)


def _is_stored(network: Network, name: str) -> bool:
    """Weights no native file holds cannot be written back masked."""
    stored = name in network.bindings or not network.bindings
    return stored and name in network.model.graph.initializers


def _input_axis(node: ir.Node, weight: ir.Value) -> int:
    if node.op_type == "Conv":
        return 1
    if node.op_type == "Gemm" and node.attributes.get_int("transB", 0) == 1:
        return 1
    rank = 2 if weight.shape is None else len(weight.shape)
    return rank - 2 if node.op_type == "MatMul" else 0


def _held(
    network: Network, layer: str, inputs: int, granularity: Granularity, exclude: tuple[str, ...]
) -> str | None:
    """Why the weights of a layer stay; ``None`` where they need not."""
    if {layer, *network.aliases.get(layer, ())} & set(exclude):
        return "excluded"
    pattern = granularity.pattern
    if pattern is not None and inputs % pattern.of:
        return f"{inputs} inputs are no multiple of {pattern.of}"
    return None


def _positions(shape: tuple[int, ...], axis: int) -> Indices:
    """``(C, 1)`` flat positions of all weights, those of one output along the inputs together."""
    places = np.arange(int(np.prod(shape)), dtype=np.int64).reshape(shape)
    return np.moveaxis(places, axis, -1).reshape(-1, 1)
