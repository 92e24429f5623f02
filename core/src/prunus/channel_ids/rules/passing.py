"""Operators that keep every channel where it is, and the barrier that stops channel ids."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from prunus.channel_ids.domain import ChannelIds, Domain


def block(node: ir.Node, domain: Domain, reason: str) -> None:
    """Freeze all inputs; the outputs carry one frozen channel id."""
    for value in node.inputs:
        labels = domain.spread(value)
        if labels is not None:
            domain.freeze(labels, reason)
    for value in node.outputs:
        domain.mark(value, f"made by '{domain.name(node)}' of type '{node.op_type}'")


def channels_only(
    node: ir.Node, domain: Domain, value: ir.Value, axis: int = 1
) -> ChannelIds | None:
    """Channel ids along one axis, ``(C,)``; channel ids that differ elsewhere are tied together.

    A value whose channel ids also vary over space (after a depth-to-space, say) can
    only lose channels whole.
    """
    labels = domain.spread(value)
    if labels is None:
        return None
    count = domain.dims(value)[axis]
    matrix = np.moveaxis(labels, axis, 0).reshape(labels.shape[axis], -1)
    if matrix.shape[1] > 1:
        domain.unite(node, matrix[:, :1], matrix)
    return np.broadcast_to(matrix[:, 0], (count,))


def spatial(node: ir.Node, domain: Domain) -> None:
    """Pooling, resizing: every channel by itself, space changes."""
    value = node.inputs[0]
    assert value is not None
    vector = channels_only(node, domain, value)
    if vector is None:
        return
    rank = len(domain.dims(node.outputs[0]))
    domain.set(node.outputs[0], vector.reshape((1, -1) + (1,) * (rank - 2)))


def identity(node: ir.Node, domain: Domain) -> None:
    """One input, the same channels in the same position."""
    labels = domain.spread(node.inputs[0])
    if labels is not None:
        domain.set(node.outputs[0], labels)


def constant(node: ir.Node, domain: Domain) -> None:
    """Shape arithmetic and constants: no channels in the result."""
    domain.mark(node.outputs[0], f"constant '{domain.name(node)}'")


_UNARY = (
    "Abs Acos Asin Atan BitShift Cast Ceil Celu Clip Cos Cosh Dropout Elu Erf Exp Floor "
    "Gelu HardSigmoid HardSwish Identity IsInf IsNaN LeakyRelu Log Mish Neg Not Reciprocal Relu "
    "Round Selu Sigmoid Sign Sin Sinh Softplus Softsign Sqrt Tan Tanh ThresholdedRelu"
).split()
_SPATIAL = (
    "AveragePool GlobalAveragePool GlobalLpPool GlobalMaxPool LpPool Resize Upsample"
).split()

RULES = {
    **dict.fromkeys(_UNARY, identity),
    **dict.fromkeys(_SPATIAL, spatial),
    "Constant": constant,
    "Shape": constant,
    "ConstantOfShape": constant,
}
