"""Reductions: over space they pass, over branches they tie, over all channels they freeze."""

from __future__ import annotations

import onnx_ir as ir

from prunus.channel_ids.domain import ChannelIds, Domain


def reduction(node: ir.Node, domain: Domain) -> None:
    """Reduce…: axes from the attribute (old opsets) or the second operand."""
    labels = domain.spread(node.inputs[0])
    if labels is None:
        return
    axes = _axes(node, domain, labels.ndim)
    labels = tied_along(node, domain, labels, axes, "runs over channels")
    if node.attributes.get_int("keepdims", 1) != 1:
        labels = labels.reshape([s for axis, s in enumerate(labels.shape) if axis not in axes])
    domain.set(node.outputs[0], labels)


def tied_along(
    node: ir.Node, domain: Domain, labels: ChannelIds, axes: tuple[int, ...], reason: str
) -> ChannelIds:
    """Channel ids along some axes go together, as those of an addition; at the first of each axis.

    Where that leaves one unit there is nothing to choose: frozen, for ``reason``.
    """
    first = labels[tuple(slice(0, 1) if a in axes else slice(None) for a in range(labels.ndim))]
    if first.size < labels.size:
        if first.size == 1:
            domain.freeze(labels, f"'{domain.name(node)}' ({node.op_type}) {reason}")
        else:
            domain.unite(node, first, labels)
    return first


def _axes(node: ir.Node, domain: Domain, rank: int) -> tuple[int, ...]:
    if node.op_type in ("ArgMax", "ArgMin"):
        return (node.attributes.get_int("axis", 0) % rank,)
    operand = domain.operand(node, 1) if len(node.inputs) > 1 else None
    attribute = node.attributes.get_ints("axes", ())
    axes = attribute if operand is None else operand.tolist()
    return tuple(axis % rank for axis in axes) if len(axes) else tuple(range(rank))


RULES = dict.fromkeys(
    (
        "ReduceMean ReduceSum ReduceMax ReduceMin ReduceProd ReduceL1 ReduceL2 ReduceLogSum "
        "ReduceLogSumExp ReduceSumSquare ArgMax ArgMin"
    ).split(),
    reduction,
)
