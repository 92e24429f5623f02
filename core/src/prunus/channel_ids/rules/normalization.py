"""Normalisations: per channel they follow, across channels they freeze."""

from __future__ import annotations

import onnx_ir as ir

from prunus.channel_ids.domain import Domain
from prunus.channel_ids.rules.passing import block, channels_only
from prunus.channel_ids.rules.reduction import tied_along

_BATCH_ROLES = ("scale", "shift", "mean", "variance")


def per_channel(node: ir.Node, domain: Domain) -> None:
    """BatchNormalization, InstanceNormalization: vectors of the channel axis."""
    data = node.inputs[0]
    assert data is not None
    made = channels_only(node, domain, data)
    assert made is not None
    for value, role in zip(node.inputs[1:], _BATCH_ROLES, strict=False):
        if value is not None and value.is_initializer():
            domain.weight(node, value, role, 0, made)
    rank = len(domain.dims(node.outputs[0]))
    domain.set(node.outputs[0], made.reshape((1, -1) + (1,) * (rank - 2)))


def local_response(node: ir.Node, domain: Domain) -> None:
    """LRN across channels: channel ids pass, but removal shifts the windows."""
    labels = domain.spread(node.inputs[0])
    if labels is not None:
        domain.inexact(labels)
        domain.set(node.outputs[0], labels)


def over_axes(node: ir.Node, domain: Domain) -> None:
    """Softmax, LpNormalization, LayerNormalization, MeanVarianceNormalization."""
    labels = domain.spread(node.inputs[0])
    if labels is None:
        return
    tied_along(node, domain, labels, _axes(node, labels.ndim), "mixes its channels")
    domain.set(node.outputs[0], labels)


def _axes(node: ir.Node, rank: int) -> tuple[int, ...]:
    if node.op_type == "MeanVarianceNormalization":
        return tuple(axis % rank for axis in node.attributes.get_ints("axes", (0, 2, 3)))
    axis = node.attributes.get_int("axis", -1) % rank
    return tuple(range(axis, rank)) if node.op_type == "LayerNormalization" else (axis,)


def across(node: ir.Node, domain: Domain) -> None:
    """Normalisations whose statistics span several channels."""
    block(node, domain, f"'{domain.name(node)}' ({node.op_type}) mixes its channels")


RULES = {
    "BatchNormalization": per_channel,
    "InstanceNormalization": per_channel,
    "LRN": local_response,
    **dict.fromkeys(
        (
            "Softmax",
            "LogSoftmax",
            "Hardmax",
            "LpNormalization",
            "LayerNormalization",
            "MeanVarianceNormalization",
        ),
        over_axes,
    ),
    "GroupNormalization": across,
}
