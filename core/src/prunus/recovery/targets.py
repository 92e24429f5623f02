"""Target of a fit: the output of a consumer, or what follows from it channel by channel.

With ``sum = branch + other``, a weight on the branch is fitted to ``sum - other``, where the sum
is that of the original network and the other branch that of the pruned one (He et al., ICCV 2017,
section 3.3): the last branch to be fitted takes the error of the others. What a rectifier behind
the target cuts off does not count (`prunus.recovery.rectifiers`).
"""

from __future__ import annotations

from collections.abc import Container, Mapping

import attrs
import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from prunus.graph.shapes import Shapes
from prunus.recovery.rectifiers import Rectifier, rectifier_behind

_SMALLEST = 1e-3
"""Scales below this share of the largest are not divided by."""

Rows = NDArray[np.float32]


@attrs.frozen(eq=False)
class Target:
    """``value = scale · output + shift (+ other)``, channel by channel.

    Attributes:
        value: Name of the value to come near to.
        other: Name of the other branch of a sum, or ``None``.
        scale, shift: ``(O,)``, or one number.
        rectifier: The rectifier that all uses of the value go through, or ``None``.
    """

    value: str
    other: str | None = None
    scale: NDArray[np.float64] | float = 1.0
    shift: NDArray[np.float64] | float = 0.0
    rectifier: Rectifier | None = None

    def outputs(self, values: Rows, other: Rows | float) -> Rows:
        """Outputs ``(n, O)`` that give these values beside the other branch."""
        shift, scale = np.float32(self.shift), np.float32(self.scale)
        return np.asarray((values - other - shift) / scale, np.float32)

    def values(self, outputs: Rows, other: Rows | float) -> Rows:
        """Values ``(n, O)`` that follow from outputs: inverse of `outputs`."""
        shift, scale = np.float32(self.shift), np.float32(self.scale)
        return np.asarray(outputs * scale + shift + other, np.float32)


def target_behind(
    node: ir.Node, later: Container[str], order: Mapping[str, int], shapes: Shapes
) -> Target:
    """The rectifier or the addition that a node's output ends in, else the output itself.

    An addition counts only if the node can take the error of the other branch.

    Args:
        node: A node with weights.
        later: Names of nodes whose weights are fitted after those of this one.
        order: Node name -> position in the graph.
        shapes: Value name -> shape.
    """
    output = Target(node.outputs[0].name or "")
    scale, shift = np.ones(1), np.zeros(1)
    axis = 1 if node.op_type == "Conv" else -1
    value = node.outputs[0]
    while (rectifier := rectifier_behind(value)) is None:
        if len(value.uses()) != 1 or value.is_graph_output():
            return output
        use = next(iter(value.uses()))
        after = use.node
        if after.op_type == "Add":
            other = after.inputs[1 - use.idx]
            if other is None:
                return output
            constant = _vector(other, len(shapes.get(value.name or "", ())), axis)
            if constant is None:
                alike = shapes.get(value.name or "") == shapes.get(other.name or "", ())
                if not alike or other.producer() is None or other.const_value is not None:
                    return output
                if _depends(other, later, order, order[node.name or ""]) or not _ready(scale):
                    return output
                whole = after.outputs[0]
                found = rectifier_behind(whole)
                return Target(whole.name or "", other.name or "", scale, shift, found)
            shift = shift + constant
        elif after.op_type == "BatchNormalization" and use.idx == 0:
            parts = [_stored(value) for value in after.inputs[1:5]]
            if any(part is None for part in parts):
                return output
            gamma, beta, mean, variance = (np.asarray(part, np.float64) for part in parts)
            factor = gamma / np.sqrt(variance + after.attributes.get_float("epsilon", 1e-5))
            scale, shift = scale * factor, (shift - mean) * factor + beta
        elif after.op_type != "Identity":
            return output
        value = after.outputs[0]
    return Target(value.name or "", None, scale, shift, rectifier) if _ready(scale) else output


def _ready(scale: NDArray[np.float64]) -> bool:
    """Whether outputs follow from values: no scale is nearly zero."""
    return bool(np.abs(scale).min() > _SMALLEST * np.abs(scale).max())


def _stored(value: ir.Value | None) -> NDArray[np.generic] | None:
    return None if value is None or value.const_value is None else value.const_value.numpy()


def _vector(value: ir.Value, rank: int, axis: int) -> NDArray[np.float64] | None:
    """A stored number a channel, ``(C,)``, as an addition to a value of this rank takes it."""
    stored = _stored(value)
    if stored is None or stored.ndim > rank:
        return None
    shape = [1] * (rank - stored.ndim) + list(stored.shape)
    shape.pop(axis)
    return np.asarray(stored, np.float64).ravel() if set(shape) <= {1} else None


def _depends(value: ir.Value, later: Container[str], order: Mapping[str, int], start: int) -> bool:
    """Whether weights that are not fitted yet make a value."""
    stack, seen = [value], set()
    while stack:
        node = stack.pop().producer()
        if node is None or node.name in seen or order[node.name or ""] <= start:
            continue
        if node.name in later:
            return True
        seen.add(node.name)
        stack += [source for source in node.inputs if source is not None]
    return False
