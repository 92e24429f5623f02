"""Which initializers training changes."""

from __future__ import annotations

from collections.abc import Mapping

import attrs
import onnx_ir as ir

from prunus.plugin import Binding

TRAINED_ROLES = frozenset({"weight", "bias", "scale", "shift", "slope"})

_BY_POSITION: Mapping[str, tuple[int, ...]] = {
    "BatchNormalization": (1, 2),
    "Conv": (1, 2),
    "ConvTranspose": (1, 2),
    "Gemm": (1, 2),
    "InstanceNormalization": (1, 2),
    "LayerNormalization": (1, 2),
    "MatMul": (1,),
    "PRelu": (1,),
}
"""Operands that are weights by the operator's own definition."""


@attrs.frozen
class Variables:
    """Names of the initializers a training run changes, in the graph's order.

    Attributes:
        parameters: Follow the gradient.
        statistics: Running means and variances of BatchNormalization.
    """

    parameters: tuple[str, ...]
    statistics: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """All of them."""
        return self.parameters + self.statistics


def variables_of(model: ir.Model, bindings: Mapping[str, Binding]) -> Variables:
    """Find parameters and running statistics.

    Bound initializers are trained by their role. What a network with bindings leaves
    unbound exists in no native file (the ones and zeros of a BatchNorm without scale)
    and stays constant. Only a network without any binding is read by operand position.
    """
    weights, statistics = _by_position(model)
    floats = [
        name
        for name, value in model.graph.initializers.items()
        if value.const_value is not None and value.const_value.dtype == ir.DataType.FLOAT
    ]
    bound = {name: binding.role for name, binding in bindings.items() if name in set(floats)}
    if bound:
        weights = {name for name, role in bound.items() if role in TRAINED_ROLES}
        statistics &= set(bound)
    return Variables(
        tuple(name for name in floats if name in weights - statistics),
        tuple(name for name in floats if name in statistics),
    )


def _by_position(model: ir.Model) -> tuple[set[str], set[str]]:
    weights: set[str] = set()
    statistics: set[str] = set()
    for node in model.graph:
        names = [None if value is None else value.name for value in node.inputs]
        for position in _BY_POSITION.get(node.op_type, ()):
            if position < len(names) and names[position]:
                weights.add(str(names[position]))
        if node.op_type == "BatchNormalization":
            statistics |= {str(name) for name in names[3:5]}
    return weights, statistics
