"""BatchNorm, Scale, Bias, LRN, MVN and SSD's Normalize."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from prunus_caffe.lower.builder import BarrierError, Builder
from prunus_caffe.records.layers import LayerRecord

Dims = tuple[int, ...]
_WITHIN_CHANNEL = 1


def batch_norm(layer: LayerRecord, build: Builder) -> None:
    """``BatchNormLayer``: stored mean and variance are divided by the third blob (by 0 gives 0).

    NVIDIA's and vai_p_caffe's forks keep scale and shift in blobs 3 and 4.
    """
    param = layer.params.batch_norm_param
    value, dims = build.value(layer)
    count = 5 if param.scale_bias else 3
    build.expect_blobs(layer, count)
    channels = dims[1] if len(dims) > 1 else 1
    if param.HasField("use_global_stats") and not param.use_global_stats:
        build.notes.append(
            f"layer '{layer.name}' asks for statistics of each batch (use_global_stats: false); "
            "the stored statistics are used"
        )
    factor = statistics_factor(build.stored(layer, 2, "factor", (1,)))
    mean = build.parameter(layer, 0, "mean", (channels,), factor=factor)
    variance = build.parameter(layer, 1, "variance", (channels,), factor=factor)
    if param.scale_bias:
        scale = build.parameter(layer, 3, "scale", (channels,))
        shift = build.parameter(layer, 4, "shift", (channels,))
    else:
        scale = build.constant(f"{layer.name}/ones", np.ones(channels, np.float32))
        shift = build.constant(f"{layer.name}/zeros", np.zeros(channels, np.float32))
    result = build.emit(
        layer, "BatchNormalization", [value, scale, shift, mean, variance],
        {"epsilon": float(param.eps)},
    )  # fmt: skip
    build.top(layer, result, dims)


def scale(layer: LayerRecord, build: Builder) -> None:
    """``ScaleLayer``: times a blob or the second bottom, from ``axis`` on; optional bias."""
    param = layer.params.scale_param
    value, dims = build.value(layer)
    if len(layer.bottoms) > 1:
        axis, span, factor = _second(layer, build, param, dims)
        if param.bias_term:
            build.expect_blobs(layer, 1)
    else:
        axis, span = _span(layer, build, param, dims)
        build.expect_blobs(layer, 2 if param.bias_term else 1)
        factor = _vector(layer, build, 0, "scale", dims, axis, span)
    result = build.emit(layer, "Mul", [value, factor])
    if param.bias_term:
        index = 0 if len(layer.bottoms) > 1 else 1
        shift = _vector(layer, build, index, "shift", dims, axis, span)
        result = build.emit(layer, "Add", [result, shift], part="bias")
    build.top(layer, result, dims)


def bias(layer: LayerRecord, build: Builder) -> None:
    """``BiasLayer``: plus a blob or the second bottom."""
    param = layer.params.bias_param
    value, dims = build.value(layer)
    if len(layer.bottoms) > 1:
        shift = _second(layer, build, param, dims)[2]
    else:
        axis, span = _span(layer, build, param, dims)
        build.expect_blobs(layer, 1)
        shift = _vector(layer, build, 0, "shift", dims, axis, span)
    build.top(layer, build.emit(layer, "Add", [value, shift]), dims)


def _span(layer: LayerRecord, build: Builder, param: Any, dims: Dims) -> tuple[int, Dims]:
    axis = param.axis % len(dims)
    end = len(dims) if param.num_axes == -1 else axis + param.num_axes
    if axis == 0 and end > 0:
        raise BarrierError("it has a number for every sample of a batch (axis 0)")
    if end > len(dims):
        raise build.error(layer, f"axis {axis} and num_axes {param.num_axes} reach past {dims}")
    return axis, dims[axis:end]


def _vector(
    layer: LayerRecord, build: Builder, index: int, role: str, dims: Dims, axis: int, span: Dims
) -> ir.Value:
    form = (1,) * axis + span + (1,) * (len(dims) - axis - len(span))
    axes = tuple(range(axis, axis + len(span)))
    return build.parameter(layer, index, role, span, form=form, axes=axes)


def _second(
    layer: LayerRecord, build: Builder, param: Any, dims: Dims
) -> tuple[int, Dims, ir.Value]:
    """The second bottom, given trailing axes of size 1 so that it broadcasts."""
    factor, span = build.value(layer, 1)
    axis = param.axis % len(dims)
    if axis != 0:
        raise BarrierError("its second bottom has no batch axis")
    if span != dims[: len(span)]:
        raise build.error(
            layer, f"expected bottoms of equal leading sizes, found {dims} and {span}"
        )
    trailing = len(dims) - len(span)
    if trailing:
        target = [0, *span[1:], *(1,) * trailing]
        factor = build.emit(
            layer,
            "Reshape",
            [factor, build.constant(f"{layer.name}/shape", target)],
            part="reshape",
        )
    return axis, span, factor


def lrn(layer: LayerRecord, build: Builder) -> None:
    """``LRNLayer``: across channels x (k + alpha/n · Σ x²)^-beta; within one a mean, and k = 1."""
    param = layer.params.lrn_param
    value, dims = build.value(layer)
    size = int(param.local_size)
    if size % 2 == 0:
        raise build.error(layer, f"expected an odd 'local_size' in lrn_param, found {size}")
    if param.norm_region != _WITHIN_CHANNEL:
        attributes = {
            "size": size, "alpha": float(param.alpha),
            "beta": float(param.beta), "bias": float(param.k),
        }  # fmt: skip
        build.top(layer, build.emit(layer, "LRN", [value], attributes), dims)
        return
    square = build.emit(layer, "Mul", [value, value], part="square")
    half = (size - 1) // 2
    mean = build.emit(
        layer, "AveragePool", [square],
        {
            "kernel_shape": [size, size], "strides": [1, 1],
            "pads": [half] * 4, "count_include_pad": 1,
        },
        part="mean",
    )  # fmt: skip
    alpha = build.scalar(f"{layer.name}/alpha", float(param.alpha))
    one = build.scalar(f"{layer.name}/one", 1.0)
    exponent = build.scalar(f"{layer.name}/beta", -float(param.beta))
    scaled = build.emit(layer, "Mul", [mean, alpha], part="alpha")
    base = build.emit(layer, "Add", [scaled, one], part="one")
    denominator = build.emit(layer, "Pow", [base, exponent], part="power")
    build.top(layer, build.emit(layer, "Mul", [value, denominator]), dims)


def mvn(layer: LayerRecord, build: Builder) -> None:
    """``MVNLayer``: minus the mean, over (standard deviation + eps)."""
    param = layer.params.mvn_param
    value, dims = build.value(layer)
    axes = list(range(1 if param.across_channels else 2, len(dims)))
    if not axes:
        raise build.error(layer, f"expected a bottom with space, found {dims}")
    mean = build.emit(layer, "ReduceMean", [value], {"axes": axes, "keepdims": 1}, part="mean")
    result = build.emit(layer, "Sub", [value, mean], part="centre")
    if param.normalize_variance:
        square = build.emit(layer, "Mul", [result, result], part="square")
        variance = build.emit(
            layer, "ReduceMean", [square], {"axes": axes, "keepdims": 1}, part="variance"
        )
        deviation = build.emit(layer, "Sqrt", [variance], part="deviation")
        eps = build.scalar(f"{layer.name}/eps", float(param.eps))
        divisor = build.emit(layer, "Add", [deviation, eps], part="divisor")
        result = build.emit(layer, "Div", [result, divisor])
    build.top(layer, result, dims)


def normalize(layer: LayerRecord, build: Builder) -> None:
    """SSD's ``NormalizeLayer``: over the L2 norm of each position (or of all), times a scale."""
    param = layer.params.norm_param
    value, dims = build.value(layer)
    build.expect_blobs(layer, 1)
    axes = list(range(1, len(dims))) if param.across_spatial else [1]
    square = build.emit(layer, "Mul", [value, value], part="square")
    total = build.emit(
        layer, "ReduceSum", [square, build.constant(f"{layer.name}/axes", axes)],
        {"keepdims": 1}, part="sum",
    )  # fmt: skip
    eps = build.scalar(f"{layer.name}/eps", float(param.eps))
    norm = build.emit(
        layer, "Sqrt", [build.emit(layer, "Add", [total, eps], part="eps")], part="norm"
    )
    unit = build.emit(layer, "Div", [value, norm], part="unit")
    space = (1,) * (len(dims) - 2)
    if param.channel_shared:
        gain = build.parameter(layer, 0, "scale", (), form=(1, 1, *space), axes=())
    else:
        gain = build.parameter(layer, 0, "scale", (dims[1],), form=(1, dims[1], *space), axes=(1,))
    build.top(layer, build.emit(layer, "Mul", [unit, gain]), dims)


def statistics_factor(stored: NDArray[np.float32]) -> float:
    """Factor of the stored statistics (``BatchNormLayer::Forward_cpu``)."""
    number = float(stored[0])
    return 0.0 if number == 0 else 1 / number
