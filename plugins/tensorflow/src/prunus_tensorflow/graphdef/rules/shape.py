"""Ops that only read the same values in another shape: reshape, squeeze, transpose."""

from __future__ import annotations

from collections.abc import Sequence

from prunus.plugin import ModelError
from prunus_tensorflow.graphdef.attributes import attr
from prunus_tensorflow.graphdef.rules.context import Context, Rule, dynamic, integers
from prunus_tensorflow.graphdef.steps import Step
from prunus_tensorflow.lower.tensors import BATCH, Dynamic, Lowered, Unlowerable, volume


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
    operand = context.builder.integers(step.name, "shape", numbers)
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


def squeeze(context: Context, step: Step, inputs: Sequence[Lowered]) -> list[Lowered]:
    """Drop unit axes."""
    x = dynamic(inputs[0])
    rank = len(x.shape)
    listed = [axis % rank for axis in attr(step.node, "squeeze_dims").list.i]
    axes = listed or [axis for axis in range(1, rank) if x.shape[axis] == 1]
    if 0 in axes or any(x.shape[axis] != 1 for axis in axes):
        raise Unlowerable(f"it squeezes axes {axes} of {list(x.shape)}")
    return [drop(context, step, x, axes)]


def drop(context: Context, step: Step, x: Dynamic, axes: Sequence[int]) -> Dynamic:
    """Drop unit axes, given in native order."""
    if not axes:
        return x
    rest = [axis for axis in range(len(x.shape)) if axis not in axes]
    shape = tuple(x.shape[axis] for axis in rest)
    perm = tuple(rest.index(axis) for axis in x.perm if axis in rest)
    operand = context.builder.integers(step.name, "axes", sorted(x.axis(axis) for axis in axes))
    out = [tuple(shape[axis] for axis in perm)]
    (value,) = context.builder.add("Squeeze", [x.value, operand], step.name, out)
    return Dynamic(value, shape, perm)


def insert(context: Context, step: Step, x: Dynamic, axis: int) -> Dynamic:
    """Insert a unit axis before the native ``axis``."""
    rank = len(x.shape)
    shape = (*x.shape[:axis], 1, *x.shape[axis:])
    shifted = tuple(position + (position >= axis) for position in x.perm)
    at = rank if x.moved else axis
    perm = (*shifted[:at], axis, *shifted[at:])
    operand = context.builder.integers(step.name, "axes", [at])
    out = [tuple(shape[i] for i in perm)]
    (value,) = context.builder.add("Unsqueeze", [x.value, operand], step.name, out)
    return Dynamic(value, shape, perm)


def expand_dims(context: Context, step: Step, inputs: Sequence[Lowered]) -> list[Lowered]:
    """Insert one unit axis."""
    x, (axis,) = dynamic(inputs[0]), integers(inputs[1], "axis")
    axis = axis if axis >= 0 else axis + len(x.shape) + 1
    if axis == 0:
        raise Unlowerable("it puts an axis in front of the batch")
    return [insert(context, step, x, axis)]


def transpose(context: Context, step: Step, inputs: Sequence[Lowered]) -> list[Lowered]:
    """Only the reading of the axes changes; nothing is computed until somebody needs it."""
    x, order = dynamic(inputs[0]), integers(inputs[1], "permutation")
    if not order or order[0] != 0:
        raise Unlowerable("it moves the batch axis")
    shape = tuple(x.shape[axis] for axis in order)
    return [Dynamic(x.value, shape, tuple(order.index(axis) for axis in x.perm))]


RULES: dict[str, Rule] = {
    "Reshape": reshape,
    "Squeeze": squeeze,
    "ExpandDims": expand_dims,
    "Transpose": transpose,
}
