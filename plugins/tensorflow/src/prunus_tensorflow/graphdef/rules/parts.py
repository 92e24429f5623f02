"""Ops that put parts of tensors together or take them out: concat, split, pad, slice, gather."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from prunus_tensorflow.graphdef.attributes import attr
from prunus_tensorflow.graphdef.rules.context import Context, Rule, dynamic, integers, static
from prunus_tensorflow.graphdef.rules.shape import drop, insert
from prunus_tensorflow.graphdef.steps import Step
from prunus_tensorflow.lower.tensors import Dynamic, Lowered, Unlowerable


def concat(context: Context, step: Step, inputs: Sequence[Lowered]) -> list[Lowered]:
    """``ConcatV2`` (axis last) and ``Concat`` (axis first)."""
    last = step.op == "ConcatV2"
    (axis,) = integers(inputs[-1] if last else inputs[0], "axis")
    terms = [dynamic(one) for one in (inputs[:-1] if last else inputs[1:])]
    rank = len(terms[0].shape)
    axis %= rank
    if axis == 0:
        raise Unlowerable("it concatenates over the batch")
    moved = [term.perm for term in terms if term.moved]
    perm = moved[0] if moved else terms[0].perm
    parts = [context.builder.arrange(term, perm, step.name) for term in terms]
    total = sum(term.shape[axis] for term in terms)
    shape = tuple(total if i == axis else size for i, size in enumerate(terms[0].shape))
    if len(parts) == 1:
        return [parts[0]]
    (value,) = context.builder.add(
        "Concat",
        [part.value for part in parts],
        step.name,
        [tuple(shape[i] for i in perm)],
        axis=perm.index(axis),
    )
    return [Dynamic(value, shape, perm)]


def split(context: Context, step: Step, inputs: Sequence[Lowered]) -> list[Lowered]:
    """``Split`` (axis, value) and ``SplitV`` (value, sizes, axis)."""
    if step.op == "Split":
        x, (axis,) = dynamic(inputs[1]), integers(inputs[0], "axis")
        count = int(attr(step.node, "num_split").i)
        axis %= len(x.shape)
        sizes = [x.shape[axis] // count] * count
    else:
        x, sizes = dynamic(inputs[0]), integers(inputs[1], "sizes")
        axis = integers(inputs[2], "axis")[0] % len(x.shape)
        rest = x.shape[axis] - sum(size for size in sizes if size != -1)
        sizes = [rest if size == -1 else size for size in sizes]
    if axis == 0:
        raise Unlowerable("it splits the batch")
    shapes = [tuple(s if i == axis else n for i, n in enumerate(x.shape)) for s in sizes]
    operand = context.builder.integers(step.name, "split", sizes)
    values = context.builder.add(
        "Split",
        [x.value, operand],
        step.name,
        [tuple(shape[i] for i in x.perm) for shape in shapes],
        axis=x.axis(axis),
    )
    return [Dynamic(value, shape, x.perm) for value, shape in zip(values, shapes, strict=True)]


def pad(context: Context, step: Step, inputs: Sequence[Lowered]) -> list[Lowered]:
    """``Pad``, ``PadV2`` and ``MirrorPad`` (REFLECT)."""
    x = dynamic(inputs[0])
    pads = np.asarray(static(inputs[1], "paddings").array)
    mode = attr(step.node, "mode").s.decode() if step.op == "MirrorPad" else "CONSTANT"
    if mode not in ("CONSTANT", "REFLECT"):
        raise Unlowerable(f"it pads in mode {mode}")
    if pads[0].any():
        raise Unlowerable("it pads the batch")
    rows = [pads[axis] for axis in x.perm]
    flat = [int(row[0]) for row in rows] + [int(row[1]) for row in rows]
    operands = [x.value, context.builder.integers(step.name, "pads", flat)]
    if step.op == "PadV2":
        fill = np.asarray(static(inputs[2], "fill value").array, np.float32).reshape(())
        operands.append(context.builder.floats(step.name, "fill", fill))
    shape = tuple(
        int(size + row.sum()) if axis else size
        for axis, (size, row) in enumerate(zip(x.shape, pads, strict=True))
    )
    out = [tuple(shape[axis] for axis in x.perm)]
    (value,) = context.builder.add("Pad", operands, step.name, out, mode=mode.lower())
    return [Dynamic(value, shape, x.perm)]


def _cut(context: Context, step: Step, x: Dynamic, ranges: dict[int, slice]) -> Dynamic:
    real = {
        axis: part
        for axis, part in ranges.items()
        if part.indices(x.shape[axis]) != (0, x.shape[axis], 1)
    }
    if 0 in real:
        raise Unlowerable("it cuts the batch")
    if not real:
        return x
    if any(part.step is not None and part.step < 1 for part in real.values()):
        raise Unlowerable("it reads backwards")
    bounds = [real[axis].indices(x.shape[axis]) for axis in real]
    operands = [
        context.builder.integers(step.name, role, values)
        for role, values in (
            ("starts", [start for start, _, _ in bounds]),
            ("ends", [stop for _, stop, _ in bounds]),
            ("axes", [x.axis(axis) for axis in real]),
            ("steps", [stride for _, _, stride in bounds]),
        )
    ]
    shape = tuple(
        len(range(*real[axis].indices(size))) if axis in real else size
        for axis, size in enumerate(x.shape)
    )
    out = [tuple(shape[axis] for axis in x.perm)]
    (value,) = context.builder.add("Slice", [x.value, *operands], step.name, out)
    return Dynamic(value, shape, x.perm)


def slice_(context: Context, step: Step, inputs: Sequence[Lowered]) -> list[Lowered]:
    """``Slice``: begin and size an axis, -1 for the rest."""
    x = dynamic(inputs[0])
    begins, sizes = integers(inputs[1], "begin"), integers(inputs[2], "size")
    ranges = {
        axis: slice(begin, None if size == -1 else begin + size)
        for axis, (begin, size) in enumerate(zip(begins, sizes, strict=True))
    }
    return [_cut(context, step, x, ranges)]


def strided_slice(context: Context, step: Step, inputs: Sequence[Lowered]) -> list[Lowered]:
    """``StridedSlice`` with its masks."""
    x = dynamic(inputs[0])
    begins, ends = integers(inputs[1], "begin"), integers(inputs[2], "end")
    strides, node = integers(inputs[3], "strides"), step.node
    count = len(begins)
    fresh = [i for i in range(count) if attr(node, "new_axis_mask").i >> i & 1]
    ellipsis = [i for i in range(count) if attr(node, "ellipsis_mask").i >> i & 1]
    ranges: dict[int, slice] = {}
    gone, axis = [], 0
    for i in range(count):
        if i in ellipsis:
            axis = len(x.shape) - sum(j not in fresh for j in range(i + 1, count))
            continue
        if i in fresh:
            continue
        if attr(node, "shrink_axis_mask").i >> i & 1:
            begin = begins[i] % x.shape[axis]
            ranges[axis] = slice(begin, begin + 1)
            gone.append(axis)
        else:
            start = None if attr(node, "begin_mask").i >> i & 1 else begins[i]
            stop = None if attr(node, "end_mask").i >> i & 1 else ends[i]
            ranges[axis] = slice(start, stop, strides[i])
        axis += 1
    if fresh and (gone or ellipsis):
        raise Unlowerable("it inserts and drops axes at once")
    result = drop(context, step, _cut(context, step, x, ranges), gone)
    for i in fresh:
        result = insert(context, step, result, i)
    return [result]


def tile(context: Context, step: Step, inputs: Sequence[Lowered]) -> list[Lowered]:
    """Repeat along axes."""
    x, repeats = dynamic(inputs[0]), integers(inputs[1], "repeats")
    if repeats[0] != 1:
        raise Unlowerable("it repeats the batch")
    shape = tuple(size * count for size, count in zip(x.shape, repeats, strict=True))
    operand = context.builder.integers(step.name, "repeats", [repeats[axis] for axis in x.perm])
    out = [tuple(shape[axis] for axis in x.perm)]
    (value,) = context.builder.add("Tile", [x.value, operand], step.name, out)
    return [Dynamic(value, shape, x.perm)]


def gather(context: Context, step: Step, inputs: Sequence[Lowered]) -> list[Lowered]:
    """Choose known positions of one axis (channel shuffles)."""
    x = dynamic(inputs[0])
    indices = np.asarray(static(inputs[1], "indices").array)
    axis = integers(inputs[2], "axis")[0] % len(x.shape) if step.op == "GatherV2" else 0
    if axis == 0 or indices.ndim != 1:
        raise Unlowerable("it gathers over the batch or with a table of indices")
    shape = tuple(len(indices) if i == axis else size for i, size in enumerate(x.shape))
    operand = context.builder.integers(step.name, "indices", [int(i) for i in indices])
    out = [tuple(shape[i] for i in x.perm)]
    (value,) = context.builder.add("Gather", [x.value, operand], step.name, out, axis=x.axis(axis))
    return [Dynamic(value, shape, x.perm)]


RULES: dict[str, Rule] = {
    "ConcatV2": concat,
    "Concat": concat,
    "Split": split,
    "SplitV": split,
    "Pad": pad,
    "PadV2": pad,
    "MirrorPad": pad,
    "Slice": slice_,
    "StridedSlice": strided_slice,
    "Tile": tile,
    "GatherV2": gather,
    "Gather": gather,
}
