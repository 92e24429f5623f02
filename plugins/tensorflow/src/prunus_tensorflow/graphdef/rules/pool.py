"""Pooling, and reductions over axes."""

from __future__ import annotations

from collections.abc import Sequence

from prunus_tensorflow.graphdef.attributes import attr
from prunus_tensorflow.graphdef.rules.context import Context, Rule, dynamic, integers
from prunus_tensorflow.graphdef.rules.spatial import (
    channel_axis,
    is_last,
    make_window,
    native_perm,
    native_shape,
    spatial_axes,
    spatial_numbers,
    to_channels_first,
)
from prunus_tensorflow.graphdef.steps import Step
from prunus_tensorflow.lower.tensors import Dynamic, Lowered, Unlowerable

_POOLS = {
    "MaxPool": "MaxPool",
    "MaxPoolV2": "MaxPool",
    "MaxPool3D": "MaxPool",
    "AvgPool": "AveragePool",
    "AvgPool3D": "AveragePool",
}
_REDUCTIONS = {"Mean": "ReduceMean", "Max": "ReduceMax", "Min": "ReduceMin", "Sum": "ReduceSum"}


def pool(context: Context, step: Step, inputs: Sequence[Lowered]) -> list[Lowered]:
    """Max and average pooling; TensorFlow's average leaves padding out of the count."""
    x = dynamic(inputs[0])
    rank, last = len(x.shape), is_last(step.node)
    if step.op == "MaxPoolV2":
        kernel, strides = integers(inputs[1], "window"), integers(inputs[2], "strides")
    else:
        kernel = list(attr(step.node, "ksize").list.i)
        strides = list(attr(step.node, "strides").list.i)
    sizes = [x.shape[axis] for axis in spatial_axes(rank, last)]
    window = make_window(
        step.node,
        sizes,
        spatial_numbers(kernel, rank, last),
        spatial_numbers(strides, rank, last),
        (1,) * (rank - 2),
    )
    moved = to_channels_first(context, x, last, step.name)
    shape = native_shape(x.shape[0], x.shape[channel_axis(rank, last)], window.sizes, last)
    perm = native_perm(rank, last)
    (value,) = context.builder.add(
        _POOLS[step.op],
        [moved.value],
        step.name,
        [tuple(shape[axis] for axis in perm)],
        kernel_shape=list(window.kernel),
        strides=list(window.strides),
        pads=window.pads,
    )
    return [Dynamic(value, shape, perm)]


def reduce(context: Context, step: Step, inputs: Sequence[Lowered]) -> list[Lowered]:
    """``Mean``, ``Max``, ``Min``, ``Sum`` over known axes other than the batch."""
    x = dynamic(inputs[0])
    rank = len(x.shape)
    axes = sorted({axis % rank for axis in integers(inputs[1], "axes")})
    if not axes:
        return [x]
    if 0 in axes:
        raise Unlowerable("it reduces over the batch")
    keep = bool(attr(step.node, "keep_dims").b)
    full = tuple(1 if axis in axes else size for axis, size in enumerate(x.shape))
    if keep:
        shape, perm = full, x.perm
    else:
        rest = [axis for axis in range(rank) if axis not in axes]
        shape = tuple(x.shape[axis] for axis in rest)
        perm = tuple(rest.index(axis) for axis in x.perm if axis in rest)
    positions = sorted(x.axis(axis) for axis in axes)
    op = _REDUCTIONS[step.op]
    out = [tuple(shape[axis] for axis in perm)]
    if op == "ReduceSum":  # axes became an operand in opset 13, for this one only
        operand = context.builder.integers(step.name, "axes", positions)
        (value,) = context.builder.add(op, [x.value, operand], step.name, out, keepdims=int(keep))
    else:
        (value,) = context.builder.add(
            op, [x.value], step.name, out, axes=positions, keepdims=int(keep)
        )
    return [Dynamic(value, shape, perm)]


RULES: dict[str, Rule] = {
    **dict.fromkeys(_POOLS, pool),
    **dict.fromkeys(_REDUCTIONS, reduce),
}
