"""Ops that move or choose values without computing: reshape, concat, split, pad, slice."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from prunus.errors import ModelError
from prunus_tensorflow.graphdef.attributes import attr
from prunus_tensorflow.graphdef.rules.context import Context, Rule, dynamic, integers, static
from prunus_tensorflow.graphdef.steps import Step
from prunus_tensorflow.graphdef.tensors import BATCH, Dynamic, Lowered, Unlowerable, volume


def reshape(context: Context, step: Step, inputs: Sequence[Lowered]) -> list[Lowered]:
    """Reshape in native order: a moved tensor goes back to it first (flatten order)."""
    x = dynamic(inputs[0])
    target = integers(inputs[1], "target shape")
    shape = _resolve(step, x.shape, target, context.batches)
    if shape == x.shape:
        return [x]
    source = context.builder.native(x, step.name)
    numbers = [
        0 if i < len(x.shape) and size == x.shape[i] and size % BATCH == 0 else size
        for i, size in enumerate(shape)
    ]
    free = [i for i, size in enumerate(numbers) if size and size % BATCH == 0]
    if len(free) > 1:
        raise Unlowerable("its target splits the batch")
    if free:
        numbers[free[0]] = -1
    elif len(shape) == 2 and numbers[0] == 0:
        numbers[1] = -1
    operand = context.builder.numbers(step.name, "shape", numbers)
    (value,) = context.builder.add("Reshape", [source.value, operand], step.name, [shape])
    return [Dynamic(value, shape, tuple(range(len(shape))))]


def _resolve(
    step: Step, shape: tuple[int, ...], target: list[int], batches: frozenset[int]
) -> tuple[int, ...]:
    """Target with its -1 filled in; a graph exported with a fixed batch has that number in it."""
    if target and target[0] in batches and shape[:1] == (BATCH,):
        target = [BATCH, *target[1:]]
    total = volume(shape)
    known = volume(tuple(size for size in target if size != -1))
    if -1 in target:
        if (known == 0 or total % known) and target[0] > 0 and shape[:1] == (BATCH,):
            # Nothing but the batch itself can be a number that fits no sample.
            return _resolve(step, shape, [BATCH, *target[1:]], batches)
        if known == 0 or total % known:
            raise _misfit(step, shape, target)
        return tuple(total // known if size == -1 else size for size in target)
    if known == total:
        return tuple(target)
    raise _misfit(step, shape, target)


def _misfit(step: Step, shape: tuple[int, ...], target: list[int]) -> ModelError:
    sizes = ", ".join("batch" if size == BATCH else str(size) for size in shape)
    wanted = ", ".join("batch" if size == BATCH else str(size) for size in target)
    return ModelError(
        f"node '{step.name}' cannot reshape [{sizes}] to [{wanted}]: is the input's shape right "
        "(input_node_shapes)?"
    )


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
    operand = context.builder.numbers(step.name, "split", sizes)
    values = context.builder.add(
        "Split",
        [x.value, operand],
        step.name,
        [tuple(shape[i] for i in x.perm) for shape in shapes],
        axis=x.axis(axis),
    )
    return [Dynamic(value, shape, x.perm) for value, shape in zip(values, shapes, strict=True)]


def squeeze(context: Context, step: Step, inputs: Sequence[Lowered]) -> list[Lowered]:
    """Drop unit axes."""
    x = dynamic(inputs[0])
    rank = len(x.shape)
    listed = [axis % rank for axis in attr(step.node, "squeeze_dims").list.i]
    axes = listed or [axis for axis in range(1, rank) if x.shape[axis] == 1]
    if 0 in axes or any(x.shape[axis] != 1 for axis in axes):
        raise Unlowerable(f"it squeezes axes {axes} of {list(x.shape)}")
    return [_drop(context, step, x, axes)]


def _drop(context: Context, step: Step, x: Dynamic, axes: Sequence[int]) -> Dynamic:
    if not axes:
        return x
    rest = [axis for axis in range(len(x.shape)) if axis not in axes]
    shape = tuple(x.shape[axis] for axis in rest)
    perm = tuple(rest.index(axis) for axis in x.perm if axis in rest)
    operand = context.builder.numbers(step.name, "axes", sorted(x.axis(axis) for axis in axes))
    out = [tuple(shape[axis] for axis in perm)]
    (value,) = context.builder.add("Squeeze", [x.value, operand], step.name, out)
    return Dynamic(value, shape, perm)


def _insert(context: Context, step: Step, x: Dynamic, axis: int) -> Dynamic:
    rank = len(x.shape)
    shape = (*x.shape[:axis], 1, *x.shape[axis:])
    shifted = tuple(place + (place >= axis) for place in x.perm)
    at = rank if x.moved else axis
    perm = (*shifted[:at], axis, *shifted[at:])
    operand = context.builder.numbers(step.name, "axes", [at])
    out = [tuple(shape[i] for i in perm)]
    (value,) = context.builder.add("Unsqueeze", [x.value, operand], step.name, out)
    return Dynamic(value, shape, perm)


def expand_dims(context: Context, step: Step, inputs: Sequence[Lowered]) -> list[Lowered]:
    """Insert one unit axis."""
    x, (axis,) = dynamic(inputs[0]), integers(inputs[1], "axis")
    axis = axis if axis >= 0 else axis + len(x.shape) + 1
    if axis == 0:
        raise Unlowerable("it puts an axis in front of the batch")
    return [_insert(context, step, x, axis)]


def transpose(context: Context, step: Step, inputs: Sequence[Lowered]) -> list[Lowered]:
    """Only the reading of the axes changes; nothing is computed until somebody needs it."""
    x, order = dynamic(inputs[0]), integers(inputs[1], "permutation")
    if not order or order[0] != 0:
        raise Unlowerable("it moves the batch axis")
    shape = tuple(x.shape[axis] for axis in order)
    return [Dynamic(x.value, shape, tuple(order.index(axis) for axis in x.perm))]


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
    operands = [x.value, context.builder.numbers(step.name, "pads", flat)]
    if step.op == "PadV2":
        fill = np.asarray(static(inputs[2], "fill value").array, np.float32).reshape(())
        operands.append(context.builder.constant(step.name, "fill", fill))
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
        context.builder.numbers(step.name, role, values)
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
    result = _drop(context, step, _cut(context, step, x, ranges), gone)
    for i in fresh:
        result = _insert(context, step, result, i)
    return [result]


def tile(context: Context, step: Step, inputs: Sequence[Lowered]) -> list[Lowered]:
    """Repeat along axes."""
    x, repeats = dynamic(inputs[0]), integers(inputs[1], "repeats")
    if repeats[0] != 1:
        raise Unlowerable("it repeats the batch")
    shape = tuple(size * count for size, count in zip(x.shape, repeats, strict=True))
    operand = context.builder.numbers(step.name, "repeats", [repeats[axis] for axis in x.perm])
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
    operand = context.builder.numbers(step.name, "indices", [int(i) for i in indices])
    out = [tuple(shape[i] for i in x.perm)]
    (value,) = context.builder.add(
        "Gather", [x.value, operand], step.name, out, axis=x.axis(axis)
    )
    return [Dynamic(value, shape, x.perm)]


RULES: dict[str, Rule] = {
    "Reshape": reshape,
    "ConcatV2": concat,
    "Concat": concat,
    "Split": split,
    "SplitV": split,
    "Squeeze": squeeze,
    "ExpandDims": expand_dims,
    "Transpose": transpose,
    "Pad": pad,
    "PadV2": pad,
    "MirrorPad": pad,
    "Slice": slice_,
    "StridedSlice": strided_slice,
    "Tile": tile,
    "GatherV2": gather,
    "Gather": gather,
}
