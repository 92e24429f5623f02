"""Checks of a loaded network's own facts, however it was loaded."""

from __future__ import annotations

import numpy as np

from prunus.graph.shapes import infer_shapes
from prunus.network import Network


def check_facts(format: str, network: Network) -> None:
    """Names fit together, the batch is free, every node belongs to a layer, shapes are true."""
    graph = network.model.graph
    nodes = [node.name for node in graph]
    assert network.format == format
    assert len(set(nodes)) == len(nodes), "node names are not unique"
    assert set(network.bindings) <= set(graph.initializers), "a binding names no initializer"
    listed = [node for layer in network.layers.values() for node in layer]
    assert set(listed) == set(nodes), f"nodes without a layer: {set(nodes) ^ set(listed)}"
    values = {value.name for node in graph for value in node.outputs}
    values |= {value.name for value in graph.inputs}
    frozen = {*network.frozen, *network.frozen_width}
    assert frozen <= values, "frozen names a value that is not in the graph"
    for value in graph.inputs:
        assert value.shape is not None, f"input '{value.name}' has no shape"
        assert not isinstance(value.shape[0], int), f"input '{value.name}' fixes the batch"
        assert all(isinstance(size, int) for size in value.shape[1:]), f"{value.name}: {value}"
    check_shapes(network)


def check_shapes(network: Network) -> None:
    """Shapes that the format states are those that follow from its inputs and operators."""
    layers = {node: layer for layer, nodes in network.layers.items() for node in nodes}
    inferred = infer_shapes(network.model)
    for node in network.model.graph:
        for value in node.outputs:
            found = inferred.get(value.name or "")
            if value.shape is None or found is None:
                continue
            stated = tuple(n if isinstance(n, int) else str(n.value) for n in value.shape)
            fits = len(stated) == len(found) and all(
                not isinstance(size, int) or axis == 0 or size == true
                for axis, (size, true) in enumerate(zip(stated, found, strict=True))
            )
            assert fits, (
                f"layer '{layers.get(node.name or '')}': value '{value.name}' is stated as "
                f"{stated}, but its operator {node.op_type} gives {('N', *found[1:])}"
            )


def same_weights(first: Network, second: Network) -> None:
    """Every initializer has the same numbers in both."""
    one, other = first.weights(), second.weights()
    assert set(one) == set(other), f"other initializers: {set(one) ^ set(other)}"
    for name, array in one.items():
        assert np.array_equal(array, other[name]), f"'{name}' differs after writing and loading"


def stored_numbers(network: Network) -> int:
    """Numbers that native files hold."""
    return sum(array.size for name, array in network.weights().items() if name in network.bindings)
