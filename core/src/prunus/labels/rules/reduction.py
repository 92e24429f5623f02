"""Reductions: over space they pass, over channels they freeze."""

from __future__ import annotations

import onnx_ir as ir

from prunus.labels.domain import Domain


def reduction(node: ir.Node, domain: Domain) -> None:
    """Reduce…: axes from the attribute (old opsets) or the second operand."""
    labels = domain.spread(node.inputs[0])
    if labels is None:
        return
    axes = _axes(node, domain, labels.ndim)
    if any(labels.shape[axis] > 1 for axis in axes):
        domain.freeze(labels, f"'{domain.name(node)}' ({node.op_type}) runs over channels")
        first = [slice(0, 1) if axis in axes else slice(None) for axis in range(labels.ndim)]
        labels = labels[tuple(first)]
    if not node.attributes.get_int("keepdims", 1):
        labels = labels.reshape([s for axis, s in enumerate(labels.shape) if axis not in axes])
    domain.set(node.outputs[0], labels)


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
