"""Counting the learned numbers of a graph, and the bytes of all its weights."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import onnx_ir as ir

if TYPE_CHECKING:
    from prunus.network import Binding, Network

LEARNED = frozenset({"weight", "bias", "scale", "shift", "slope"})
"""Roles of initializers that training changes."""


def parameters(network: Network, model: ir.Model) -> int:
    """Learned numbers of a graph that shares the network's initializer names."""
    total = 0
    for name, value in model.graph.initializers.items():
        binding = network.bindings.get(name)
        if binding is not None and binding.role in LEARNED and value.shape is not None:
            total += math.prod(int(str(size)) for size in value.shape)
    return total


def weight_bytes(model: ir.Model) -> int:
    """Bytes of all weights that a graph stores."""
    stored = (value.const_value for value in model.graph.initializers.values())
    return sum(tensor.nbytes for tensor in stored if tensor is not None)


def learned_by(node: ir.Node, bindings: Mapping[str, Binding]) -> int:
    """Learned numbers that a node reads.

    Args:
        node: Of the network, or of its compact graph, whose initializers have the same names.
        bindings: Initializer name -> native position.
    """
    total = 0
    for value in node.inputs:
        binding = None if value is None else bindings.get(value.name or "")
        if value is not None and value.const_value is not None and binding is not None:
            total += value.const_value.size if binding.role in LEARNED else 0
    return total
