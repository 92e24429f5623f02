"""Convolutions, transposed convolutions, and the bias behind them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from prunus_tensorflow.graphdef.attributes import attr
from prunus_tensorflow.graphdef.rules.context import (
    Context,
    Rule,
    dynamic,
    integers,
    static,
    vector,
)
from prunus_tensorflow.graphdef.rules.spatial import (
    Window,
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
from prunus_tensorflow.lower.tensors import Dynamic, Lowered, Static, Unlowerable

_COMPUTED = "weights of '{}' are computed by the graph, not stored"


def conv(context: Context, step: Step, inputs: Sequence[Lowered]) -> list[Lowered]:
    """``Conv2D`` and ``Conv3D``: filter (spatial…, in / groups, out)."""
    x, filters = dynamic(inputs[0]), static(inputs[1], "filter")
    rank, last = len(x.shape), is_last(step.node)
    if filters.array.ndim != rank:
        raise Unlowerable(f"its filter has {filters.array.ndim} axes, its input {rank}")
    channels = x.shape[channel_axis(rank, last)]
    *kernel, inner, outer = filters.array.shape
    if inner == 0 or channels % inner:
        raise Unlowerable(f"its filter reads {inner} channels, its input has {channels}")
    if outer % (channels // inner):
        raise Unlowerable(f"its {outer} filters are no multiple of its {channels // inner} groups")
    window = _window(step, x, kernel)
    perm = (rank - 1, rank - 2, *range(rank - 2))
    return [_convolve(context, step, x, filters, window, perm, channels // inner, outer)]


def depthwise(context: Context, step: Step, inputs: Sequence[Lowered]) -> list[Lowered]:
    """``DepthwiseConv2dNative``: filter (kh, kw, C, M), output channel c * M + m."""
    x, filters = dynamic(inputs[0]), static(inputs[1], "filter")
    channels = x.shape[channel_axis(len(x.shape), is_last(step.node))]
    height, width, inner, multiplier = filters.array.shape
    if inner != channels:
        raise Unlowerable(f"its filter reads {inner} channels, its input has {channels}")
    window = _window(step, x, (height, width))
    outer = channels * multiplier
    return [
        _convolve(context, step, x, filters, window, (2, 3, 0, 1), channels, outer, depthwise=True)
    ]


def atrous(context: Context, step: Step, inputs: Sequence[Lowered]) -> list[Lowered]:
    """SpaceToBatchND, VALID convolution, BatchToSpaceND: one dilated convolution."""
    x, filters = dynamic(inputs[0]), static(inputs[1], "filter")
    blocks = integers(inputs[2], "block shape")
    pads = np.asarray(static(inputs[3], "paddings").array)
    crops = np.asarray(static(inputs[4], "crops").array)
    kernel = filters.array.shape[: len(blocks)]
    begins = tuple(int(n) for n in pads[:, 0] - crops[:, 0])
    ends = tuple(int(n) for n in pads[:, 1] - crops[:, 1])
    sizes = tuple(
        x.shape[1 + i] + begins[i] + ends[i] - (kernel[i] - 1) * blocks[i]
        for i in range(len(blocks))
    )
    if min(*begins, *ends) < 0:
        raise Unlowerable("its crops exceed its paddings")
    window = Window(kernel, (1,) * len(blocks), tuple(blocks), begins, ends, sizes)
    channels = x.shape[-1]
    if step.values["depthwise"]:
        outer = channels * filters.array.shape[3]
        return [_convolve(context, step, x, filters, window, (2, 3, 0, 1), channels, outer, True)]
    groups = channels // filters.array.shape[2]
    return [
        _convolve(context, step, x, filters, window, (3, 2, 0, 1), groups, filters.array.shape[3])
    ]


def transposed(context: Context, step: Step, inputs: Sequence[Lowered]) -> list[Lowered]:
    """``Conv2DBackpropInput`` as a layer: filter (kh, kw, out, in).

    The padding is that of the forward convolution from the output's size to the input's.
    """
    sizes = integers(inputs[0], "output size")
    filters, x = static(inputs[1], "filter"), dynamic(inputs[2])
    rank, last = len(x.shape), is_last(step.node)
    height, width, outer, inner = filters.array.shape
    if inner != x.shape[channel_axis(rank, last)]:
        raise Unlowerable(f"its filter reads {inner} channels, its input has another number")
    targets = sizes if len(sizes) == 2 else [sizes[axis] for axis in spatial_axes(rank, last)]
    strides = spatial_numbers(list(attr(step.node, "strides").list.i), rank, last)
    dilations = spatial_numbers(list(attr(step.node, "dilations").list.i), rank, last)
    forward = make_window(step.node, targets, (height, width), strides, dilations)
    small = [x.shape[axis] for axis in spatial_axes(rank, last)]
    if list(forward.sizes) != small:
        raise Unlowerable(f"its output size {targets} does not fit its input {small}")
    extra = [
        targets[i]
        - ((small[i] - 1) * strides[i] + (forward.kernel[i] - 1) * dilations[i] + 1)
        + forward.begins[i]
        + forward.ends[i]
        for i in range(2)
    ]
    moved = to_channels_first(context, x, last, step.name)
    weight, plain = context.weight(step, "weight", filters, (3, 2, 0, 1))
    shape = native_shape(x.shape[0], outer, targets, last)
    perm = native_perm(rank, last)
    (value,) = context.builder.add(
        "ConvTranspose",
        [moved.value, weight],
        step.name,
        [tuple(shape[axis] for axis in perm)],
        kernel_shape=[height, width],
        strides=list(strides),
        dilations=list(dilations),
        pads=forward.pads,
        output_padding=extra,
        group=1,
    )
    if not plain:
        context.freeze(_COMPUTED.format(step.name), x.value, value)
    return [Dynamic(value, shape, perm)]


def bias_add(context: Context, step: Step, inputs: Sequence[Lowered]) -> list[Lowered] | None:
    """Put a bias into the convolution or fully connected node before it.

    ``None`` where that is not possible: nobody else may read the sum's input.
    """
    x, bias = inputs[0], inputs[1]
    if not isinstance(x, Dynamic) or not isinstance(bias, Static) or bias.holder is None:
        return None
    rank = len(x.shape)
    last = is_last(step.node) if step.op == "BiasAdd" else True
    channels = x.shape[channel_axis(rank, last)]
    flat = bias.array.shape[-1:] == (channels,) and bias.array.size == channels
    maker = x.value.producer()
    if not flat or maker is None or maker.op_type not in ("Conv", "ConvTranspose", "Gemm"):
        return None
    if len(maker.inputs) > 2 or any(context.uses.get(name, 0) > 1 for name in step.inputs[:1]):
        return None
    value, _ = context.weight(
        step,
        "bias",
        vector(bias),
        tuple(range(len(bias.shape))),
        squeeze=len(bias.shape) - 1,
        layer=(maker.name or "").rpartition("/")[0],  # as Builder.add names nodes
    )
    maker.resize_inputs(3)
    maker.replace_input_with(2, value)
    context.builder.rename(maker.outputs[0], step.name)
    return [x]


def _window(step: Step, x: Dynamic, kernel: Sequence[int]) -> Window:
    rank, last = len(x.shape), is_last(step.node)
    strides = spatial_numbers(list(attr(step.node, "strides").list.i), rank, last)
    dilations = list(attr(step.node, "dilations").list.i)
    inputs = [x.shape[axis] for axis in spatial_axes(rank, last)]
    return make_window(step.node, inputs, kernel, strides, spatial_numbers(dilations, rank, last))


def _convolve(
    context: Context,
    step: Step,
    x: Dynamic,
    filters: Static,
    window: Window,
    perm: tuple[int, ...],
    groups: int,
    outer: int,
    depthwise: bool = False,
) -> Dynamic:
    rank, last = len(x.shape), is_last(step.node)
    moved = to_channels_first(context, x, last, step.name)
    weight, plain = context.weight(step, "weight", filters, perm, depthwise)
    shape = native_shape(x.shape[0], outer, window.sizes, last)
    out = native_perm(rank, last)
    (value,) = context.builder.add(
        "Conv",
        [moved.value, weight],
        step.name,
        [tuple(shape[axis] for axis in out)],
        kernel_shape=list(window.kernel),
        strides=list(window.strides),
        dilations=list(window.dilations),
        pads=window.pads,
        group=groups,
    )
    if not plain:
        context.freeze(_COMPUTED.format(step.name), x.value, value)
    return Dynamic(value, shape, out)


RULES: dict[str, Rule] = {
    "Conv2D": conv,
    "Conv3D": conv,
    "DepthwiseConv2dNative": depthwise,
    "Conv2DBackpropInput": transposed,
    "_AtrousConv": atrous,
}
