"""Rectifiers behind a fitted value: errors that they cut off need not be mended.

Least squares on ``f(value)`` instead of the value, with f a rectifier (asymmetric reconstruction of
Zhang, Zou, He, Sun: Accelerating Very Deep Convolutional Networks, 2015). It is solved in rounds:
each takes the error that the last one leaves behind the rectifier, and adds it to what the last
one found. For f of a slope up to 1 the squared error so falls from round to round.
"""

from __future__ import annotations

import attrs
import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

Rows = NDArray[np.float32]


@attrs.frozen
class Rectifier:
    """``f(v) = v`` from 0 to ``top``, ``slope · v`` below, and ``top`` above.

    Attributes:
        slope: In [0, 1).
        top: Above 0; ``inf`` for none.
    """

    slope: float = 0.0
    top: float = float("inf")

    def aim(self, wanted: Rows, found: Rows) -> Rows:
        """Values to come near to: ``found`` where the rectifier hides what it misses.

        Args:
            wanted: Values of the original network.
            found: Values of the last round, of the same shape.
        """
        slope = np.float32(self.slope)
        below = np.where(found < 0, found + slope**2 * (wanted - found), slope * wanted)
        above = np.maximum(found, np.float32(self.top))
        return np.where(wanted <= 0, below, np.where(wanted >= self.top, above, wanted))

    def counted(self, wanted: Rows, found: Rows) -> Rows:
        """Derivative of ``found - aim(wanted, found)`` by ``found``: the share that counts."""
        below = np.where(found < 0, np.float32(self.slope**2), np.float32(1))
        above = (found < self.top).astype(np.float32)
        return np.where(wanted <= 0, below, np.where(wanted >= self.top, above, np.float32(1)))

    def values(self, found: Rows) -> Rows:
        """``f(v)``."""
        low = np.float32(self.slope) * np.minimum(found, 0)
        return np.asarray(low + np.clip(found, 0, self.top), np.float32)

    def slopes(self, found: Rows) -> Rows:
        """``f'(v)``."""
        inside = (found > 0) & (found < self.top)
        return np.where(inside, np.float32(1), np.where(found > 0, 0, np.float32(self.slope)))


def rectifier_behind(value: ir.Value) -> Rectifier | None:
    """The rectifier that every use of a value goes through; ``None`` where there is none."""
    uses = list(value.uses())
    found = {rectifier_of(use.node) if use.idx == 0 else None for use in uses}
    return found.pop() if len(found) == 1 and not value.is_graph_output() else None


def rectifier_of(node: ir.Node) -> Rectifier | None:
    """The rectifier that a node is, or ``None``."""
    if node.op_type == "Relu":
        return Rectifier()
    if node.op_type == "LeakyRelu":
        slope = node.attributes.get_float("alpha", 0.01)
        return Rectifier(slope) if 0 <= slope < 1 else None
    if node.op_type == "Clip":
        low, high = (_number(node, position) for position in (1, 2))
        return Rectifier(0.0, high) if low == 0 and high is not None and high > 0 else None
    return None


def _number(node: ir.Node, position: int) -> float | None:
    value = node.inputs[position] if len(node.inputs) > position else None
    if value is None or value.const_value is None:
        return None
    return float(value.const_value.numpy().reshape(-1)[0])
