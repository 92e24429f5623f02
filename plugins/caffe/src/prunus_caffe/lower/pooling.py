"""Pooling with Caffe's rounding, border clipping and divisor."""

from __future__ import annotations

import onnx_ir as ir

from prunus_caffe.lower.builder import BarrierError, Builder
from prunus_caffe.lower.geometry import Window, pooling_window
from prunus_caffe.records.layers import LayerRecord

_MAX, _AVE = 0, 1
_FLOOR = 1


def pooling(layer: LayerRecord, build: Builder) -> None:
    """``PoolingLayer`` (pooling_layer.cpp)."""
    param = layer.params.pooling_param
    if param.pool not in (_MAX, _AVE):
        raise BarrierError("stochastic pooling has no test-time form in Caffe on a CPU")
    if len(layer.tops) > 1:
        raise BarrierError("it gives the positions of its maxima")
    value, dims = build.value(layer)
    if len(dims) != 4:
        raise build.error(layer, f"expected a bottom of 4 dimensions, found {len(dims)}")
    if param.global_pooling:
        op = "GlobalMaxPool" if param.pool == _MAX else "GlobalAveragePool"
        build.top(layer, build.emit(layer, op, [value]), (*dims[:2], 1, 1))
        return
    window = pooling_window(layer, build)
    sizes = _sizes(layer, build, dims[2:], window)
    extra = tuple(
        (out - 1) * s + k - size - p
        for out, s, k, size, p in zip(
            sizes, window.stride, window.kernel, dims[2:], window.pad, strict=True
        )
    )
    if max(p - k for p, k in zip((*window.pad, *extra), window.kernel * 2, strict=True)) >= 0:
        raise BarrierError("some of its windows lie outside the image")
    if param.pool == _MAX:
        result = _maximum(layer, build, value, window, extra)
    else:
        result = _average(layer, build, value, window, extra)
    build.top(layer, result, (*dims[:2], *sizes))


def _sizes(
    layer: LayerRecord, build: Builder, space: tuple[int, ...], window: Window
) -> tuple[int, ...]:
    """ceil((H + 2p - k) / s) + 1; with padding the last window must start inside the image."""
    param = layer.params.pooling_param
    floor = param.round_mode == _FLOOR or not param.ceil_mode
    sizes = []
    for size, k, s, p in zip(space, window.kernel, window.stride, window.pad, strict=True):
        span = size + 2 * p - k
        if span < 0:
            raise build.error(layer, f"its window does not fit into the {space} input")
        out = (span if floor else span + s - 1) // s + 1
        if any(window.pad) and (out - 1) * s >= size + p:
            out -= 1
        sizes.append(out)
    return tuple(sizes)


def _maximum(
    layer: LayerRecord, build: Builder, value: ir.Value, window: Window, extra: tuple[int, ...]
) -> ir.Value:
    """Explicit end padding instead of ceil_mode, whose border rule differs between runtimes."""
    attributes = {
        "kernel_shape": list(window.kernel), "strides": list(window.stride),
        "pads": [*window.pad, *(max(size, 0) for size in extra)],
    }  # fmt: skip
    return build.emit(layer, "MaxPool", [value], attributes)


def _average(
    layer: LayerRecord, build: Builder, value: ir.Value, window: Window, extra: tuple[int, ...]
) -> ir.Value:
    """Caffe divides by the window clipped to the padded image: padding counts, not the beyond."""
    attributes = {
        "kernel_shape": list(window.kernel), "strides": list(window.stride),
        "pads": [*window.pad, *(max(size, 0) for size in extra)], "count_include_pad": 1,
    }  # fmt: skip
    if any(size > p for size, p in zip(extra, window.pad, strict=True)):
        if any(window.pad):
            pads = build.constant(f"{layer.name}/pads", [0, 0, *window.pad, 0, 0, *window.pad])
            value = build.emit(layer, "Pad", [value, pads], {"mode": "constant"}, part="pad")
        over = [max(size - p, 0) for size, p in zip(extra, window.pad, strict=True)]
        attributes |= {"pads": [0, 0, *over], "count_include_pad": 0}
    return build.emit(layer, "AveragePool", [value], attributes)
