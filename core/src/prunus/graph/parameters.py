"""Counting the learned numbers of a graph."""

from __future__ import annotations

import math

import onnx_ir as ir

from prunus.network import Network

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
