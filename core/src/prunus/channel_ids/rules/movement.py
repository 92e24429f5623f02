"""Operators that move channels: channel ids move with them."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from prunus.channel_ids.domain import ChannelIds, Domain
from prunus.channel_ids.rules.passing import block


def transpose(node: ir.Node, domain: Domain) -> None:
    """Transpose."""
    labels = domain.spread(node.inputs[0])
    if labels is not None:
        perm = node.attributes.get_ints("perm", tuple(reversed(range(labels.ndim))))
        domain.set(node.outputs[0], labels.transpose(perm))


def concat(node: ir.Node, domain: Domain) -> None:
    """Concat; constant parts get channel ids of their own, so that they can shrink too."""
    rank = len(domain.dims(node.outputs[0]))
    axis = node.attributes.get_int("axis", 1) % rank
    parts = []
    constants: dict[str, ChannelIds] = {}
    for slot, value in enumerate(node.inputs):
        assert value is not None
        if domain.spread(value) is None and not value.is_initializer():
            domain.mark(value, f"joined with constants at '{domain.name(node)}'")
        labels = domain.spread(value)
        if labels is None:
            made = constants.get(value.name or "")
            if made is None:  # the same constant again is the same channels
                made = domain.fresh(node, domain.original(value)[axis], slot)
                domain.weight(node, value, "constant", axis, made)
                constants[value.name or ""] = made
            labels = made.reshape([-1 if a == axis else 1 for a in range(rank)])
        parts.append(
            labels if value.is_initializer() else expand(labels, axis, domain.dims(value)[axis])
        )
    shape = np.broadcast_shapes(*(_without(part.shape, axis) for part in parts))
    parts = [np.broadcast_to(p, (*shape[:axis], p.shape[axis], *shape[axis + 1 :])) for p in parts]
    domain.set(node.outputs[0], np.concatenate(parts, axis))


def split(node: ir.Node, domain: Domain) -> None:
    """Split: sizes from the operand, the old attribute, or equal parts."""
    labels = domain.spread(node.inputs[0])
    if labels is None:
        return
    axis = node.attributes.get_int("axis", 0) % labels.ndim
    sizes = domain.operand(node, 1) if len(node.inputs) > 1 else None
    if sizes is None:
        sizes = np.array([domain.dims(value)[axis] for value in node.outputs])
    ends = np.cumsum(sizes)
    for value, size, end in zip(node.outputs, sizes, ends, strict=True):
        part = labels
        if labels.shape[axis] > 1:
            part = np.take(labels, np.arange(end - size, end), axis)
        domain.set(value, part)


def slice_(node: ir.Node, domain: Domain) -> None:
    """Slice with constant bounds."""
    labels = domain.spread(node.inputs[0])
    if labels is None:
        return
    data = node.inputs[0]
    assert data is not None
    bounds = slice_bounds(node, domain, labels.ndim)
    if bounds is None:
        block(node, domain, f"feeds '{domain.name(node)}', a slice with computed bounds")
        return
    for axis, bound in bounds.items():
        if labels.shape[axis] > 1:
            if axis == 1 and bound.step not in (None, 1):
                domain.freeze(labels, f"'{domain.name(node)}' takes every {bound.step}th channel")
            labels = np.take(labels, np.arange(domain.dims(data)[axis])[bound], axis)
    domain.set(node.outputs[0], labels)


def slice_bounds(node: ir.Node, domain: Domain, rank: int) -> dict[int, slice] | None:
    """Axis -> Python slice; from attributes before opset 10."""
    if len(node.inputs) == 1:
        starts = np.array(node.attributes.get_ints("starts", ()))
        ends = np.array(node.attributes.get_ints("ends", ()))
        axes = np.array(node.attributes.get_ints("axes", tuple(range(len(starts)))))
        steps = np.ones(len(starts), np.int64)
    else:
        operands = [domain.operand(node, i) if i < len(node.inputs) else None for i in range(1, 5)]
        if operands[0] is None or operands[1] is None:
            return None
        starts, ends = operands[0], operands[1]
        axes = np.arange(len(starts)) if operands[2] is None else operands[2]
        steps = np.ones(len(starts), np.int64) if operands[3] is None else operands[3]
    lowest = -(2**62)
    return {
        int(a) % rank: slice(int(s), None if int(e) <= lowest else int(e), int(st))
        for a, s, e, st in zip(axes, starts, ends, steps, strict=True)
    }


def gather(node: ir.Node, domain: Domain) -> None:
    """Gather with constant indices."""
    labels = domain.spread(node.inputs[0])
    indices = domain.operand(node, 1)
    data = node.inputs[0]
    if labels is None or indices is None or data is None:
        block(node, domain, f"feeds '{domain.name(node)}', a gather with computed indices")
        return
    axis = node.attributes.get_int("axis", 0) % labels.ndim
    if labels.shape[axis] > 1:
        taken = np.take(labels, indices % domain.dims(data)[axis], axis)
        if indices.ndim == 0:  # a row taken by its number is there whatever is removed
            _hold(node, domain, np.moveaxis(labels, axis, 0), taken)
    else:
        shape = (*labels.shape[:axis], *(1,) * indices.ndim, *labels.shape[axis + 1 :])
        taken = labels.reshape(shape)
    domain.set(node.outputs[0], taken)


def _hold(node: ir.Node, domain: Domain, rows: ChannelIds, taken: ChannelIds) -> None:
    if taken.size == 1:
        domain.freeze(taken, f"taken by its number at '{domain.name(node)}'")
    else:
        domain.balance_rows(node, rows.reshape(len(rows), -1), fixed=True)


def pad(node: ir.Node, domain: Domain) -> None:
    """Pad: padded channels (zero-padded shortcuts) get channel ids of their own."""
    labels = domain.spread(node.inputs[0])
    data = node.inputs[0]
    if labels is None or data is None:
        return
    pads = pad_widths(node, domain, labels.ndim)
    if pads is None:
        block(node, domain, f"feeds '{domain.name(node)}', a padding with computed widths")
        return
    for axis, (before, after) in enumerate(pads.tolist()):
        if axis != 1 and labels.shape[axis] == 1:
            continue
        if not before and not after:
            continue
        if (
            axis != 1
            or min(before, after) < 0
            or node.attributes.get_string("mode", "constant") != "constant"
        ):
            block(node, domain, f"'{domain.name(node)}' pads channels in a way that ties them")
            return
        shape = [1] * labels.ndim
        shape[axis] = -1
        labels = expand(labels, axis, domain.dims(data)[axis])
        front = domain.fresh(node, before, 0).reshape(shape)
        back = domain.fresh(node, after, 1).reshape(shape)
        other = _without(labels.shape, axis)
        parts = [
            np.broadcast_to(p, (*other[:axis], p.shape[axis], *other[axis + 1 :]))
            for p in (front, labels, back)
        ]
        labels = np.concatenate(parts, axis)
    domain.set(node.outputs[0], labels)


def pad_widths(node: ir.Node, domain: Domain, rank: int) -> ChannelIds | None:
    """``(rank, 2)`` widths before and after; attribute before opset 11."""
    if len(node.inputs) == 1:
        pads = np.array(node.attributes.get_ints("pads", ()), np.int64)
    else:
        operand = domain.operand(node, 1)
        if operand is None:
            return None
        pads = operand.astype(np.int64)
    axes = domain.operand(node, 3) if len(node.inputs) > 3 else None
    widths = np.zeros((rank, 2), np.int64)
    chosen = np.arange(rank) if axes is None else axes % rank
    widths[chosen] = pads.reshape(2, -1).T
    return widths


def squeeze(node: ir.Node, domain: Domain) -> None:
    """Squeeze, Unsqueeze: axes of size one come or go."""
    labels = domain.spread(node.inputs[0])
    if labels is None:
        return
    operand = domain.operand(node, 1) if len(node.inputs) > 1 else None
    axes = node.attributes.get_ints("axes", ()) if operand is None else operand.tolist()
    rank = len(domain.dims(node.outputs[0]))
    if node.op_type == "Unsqueeze":
        labels = np.expand_dims(labels, tuple(axis % rank for axis in axes))
    else:
        data = node.inputs[0]
        assert data is not None
        dims = domain.dims(data)
        gone = tuple(a % len(dims) for a in axes) or tuple(i for i, d in enumerate(dims) if d == 1)
        labels = labels.squeeze(gone)
    domain.set(node.outputs[0], labels)


def stretch(node: ir.Node, domain: Domain) -> None:
    """Expand: axes of size one are repeated."""
    labels = domain.spread(node.inputs[0])
    if labels is None:
        return
    rank = len(domain.dims(node.outputs[0]))
    domain.set(node.outputs[0], labels.reshape((1,) * (rank - labels.ndim) + labels.shape))


def tile(node: ir.Node, domain: Domain) -> None:
    """Tile: the channel ids repeat with the data."""
    labels = domain.spread(node.inputs[0])
    repeats = domain.operand(node, 1)
    if labels is None or repeats is None:
        block(node, domain, f"feeds '{domain.name(node)}', a tiling with computed repeats")
        return
    counts = [int(r) if labels.shape[a] > 1 else 1 for a, r in enumerate(repeats)]
    domain.set(node.outputs[0], np.tile(labels, counts))


def expand(labels: ChannelIds, axis: int, size: int) -> ChannelIds:
    """Broadcast a channel id tensor along one axis to its full size."""
    shape = [size if a == axis else s for a, s in enumerate(labels.shape)]
    return np.broadcast_to(labels, shape)


def _without(shape: tuple[int, ...], axis: int) -> tuple[int, ...]:
    return (*shape[:axis], 1, *shape[axis + 1 :])


RULES = {
    "Transpose": transpose,
    "Concat": concat,
    "Split": split,
    "Slice": slice_,
    "Gather": gather,
    "Pad": pad,
    "Squeeze": squeeze,
    "Unsqueeze": squeeze,
    "Expand": stretch,
    "Tile": tile,
}
