"""Convolutions, deconvolutions and inner products."""

from __future__ import annotations

import math

from prunus.plugin import ModelError
from prunus_ncnn.lower.activation import fused
from prunus_ncnn.lower.builder import Blob, Dims, LayerBuilder, UnsupportedError, image, shown
from prunus_ncnn.param import Layer
from prunus_ncnn.stored import group_of

SAME_UPPER, SAME_LOWER = -233, -234
"""Values of key 4 that ask for padding to the size of the input over the stride."""


def convolution(build: LayerBuilder, layer: Layer, blob: Blob) -> Blob:
    """src/layer/convolution.cpp; a flat blob is an image of one pixel there."""
    flat = len(blob.dims) == 1
    if layer.integer(19):
        raise UnsupportedError("which takes its weights from other layers")
    outputs, inputs, *kernel = build.arrays[layer.index, "weight"].shape
    if flat:
        if kernel != [1, 1] or layer.kind != "Convolution":
            raise UnsupportedError(f"which takes a blob of {shown(blob.dims)}, no image")
        blob = build.reshape(layer, blob, (*blob.dims, 1, 1), "pixel")
    channels, *area = image(layer, blob)
    group = group_of(layer)
    _check_inputs(layer, channels, inputs * group)
    dilations, strides = (
        (layer.integer(12, layer.integer(2, 1)), layer.integer(2, 1)),
        strides_of(layer),
    )
    extents = [dilation * (size - 1) + 1 for size, dilation in zip(kernel, dilations, strict=True)]
    pads = _pads(layer, area, extents, strides)
    value, fill = blob, layer.real(18)
    if fill and any(pads):
        value = padded(build, layer, blob, pads, fill)
        area, pads = list(value.dims[1:]), [0] * 4
    size = tuple(
        (side + pads[axis] + pads[axis + 2] - extent) // stride + 1
        for axis, (side, extent, stride) in enumerate(zip(area, extents, strides, strict=True))
    )
    attributes = {
        "kernel_shape": kernel, "strides": list(strides), "pads": pads,
        "dilations": list(dilations), "group": group,
    }  # fmt: skip
    value = build.emit(
        layer, "Conv", [value, *_operands(build, layer)], (outputs, *size), attributes
    )
    value = fused(build, layer, value)
    return build.reshape(layer, value, (outputs,), "flat") if flat else value


def deconvolution(build: LayerBuilder, layer: Layer, blob: Blob) -> Blob:
    """src/layer/deconvolution.cpp: the whole area is made and then cut by the pads."""
    channels, *area = image(layer, blob)
    group, rows, inputs, *kernel = build.arrays[layer.index, "weight"].shape
    _check_inputs(layer, channels, inputs * group)
    dilations, strides = (
        (layer.integer(12, layer.integer(2, 1)), layer.integer(2, 1)),
        strides_of(layer),
    )
    right = layer.integer(18)
    extra = (layer.integer(19, right), right)
    whole = [
        (side - 1) * stride + dilation * (size - 1) + 1 + more
        for side, stride, dilation, size, more in zip(
            area, strides, dilations, kernel, extra, strict=True
        )
    ]
    pads = _cuts(layer, whole)
    size = tuple(side - pads[axis] - pads[axis + 2] for axis, side in enumerate(whole))
    attributes = {
        "kernel_shape": kernel, "strides": list(strides), "pads": pads,
        "dilations": list(dilations), "group": group, "output_padding": list(extra),
    }  # fmt: skip
    array = build.arrays[layer.index, "weight"]
    weight = build.bind(layer, "weight", to_graph(array))
    operands = [blob, weight, *_bias(build, layer)]
    value = build.emit(layer, "ConvTranspose", operands, (rows * group, *size), attributes)
    return fused(build, layer, value)


def to_graph(array):
    """A deconvolution's ``(g, O/g, I/g, kH, kW)`` as the graph's ``(I, O/g, kH, kW)``."""
    group, rows, inputs, *kernel = array.shape
    return array.swapaxes(1, 2).reshape(group * inputs, rows, *kernel)


def to_file(array, group: int):
    """The other way round, for ``group`` channel groups."""
    inputs, rows, *kernel = array.shape
    return array.reshape(group, inputs // group, rows, *kernel).swapaxes(1, 2)


def inner_product(build: LayerBuilder, layer: Layer, blob: Blob) -> Blob:
    """src/layer/innerproduct.cpp: of the whole blob, or of each row of a matrix that fits."""
    outputs, inputs = build.arrays[layer.index, "weight"].shape
    if len(blob.dims) == 2 and blob.dims[1] == inputs and blob.dims[0] > 1:
        raise UnsupportedError(f"which multiplies each row of a blob of {shown(blob.dims)}")
    _check_inputs(layer, math.prod(blob.dims), inputs)
    blob = build.reshape(layer, blob, (inputs,), "flat")
    operands = [blob, *_operands(build, layer)]
    value = build.emit(layer, "Gemm", operands, (outputs,), {"transB": 1})
    return fused(build, layer, value)


def padded(build: LayerBuilder, layer: Layer, blob: Blob, pads: list[int], fill: float) -> Blob:
    """An image with a border of ``fill``; pads are top, left, bottom, right."""
    top, left, bottom, right = pads
    channels, height, width = blob.dims
    operands = [
        build.integers(layer, "pads", (0, 0, top, left, 0, 0, bottom, right)),
        build.scalar(layer, "fill", fill),
    ]
    dims = (channels, height + top + bottom, width + left + right)
    return build.emit(layer, "Pad", [blob, *operands], dims, part="pad")


def strides_of(layer: Layer) -> Dims:
    """Strides along height and width."""
    strides = (layer.integer(13, layer.integer(3, 1)), layer.integer(3, 1))
    if min(strides) < 1:
        raise layer.error(3, "a stride from 1")
    return strides


def same_pads(area: list[int], extents: list[int], strides: Dims, upper: bool) -> list[int]:
    """Pads that give ⌈side / stride⌉; what is odd is at the end for ``upper``, else in front."""
    front, back = [], []
    for side, extent, stride in zip(area, extents, strides, strict=True):
        total = max(extent + (side - 1) // stride * stride - side, 0)
        front.append(total // 2 if upper else total - total // 2)
        back.append(total - front[-1])
    return [*front, *back]


def _pads(layer: Layer, area: list[int], extents: list[int], strides: Dims) -> list[int]:
    left, top, right, bottom = _sides(layer)
    if left == top == right == bottom and left in (SAME_UPPER, SAME_LOWER):
        return same_pads(area, extents, strides, left == SAME_UPPER)
    if min(left, top, right, bottom) < 0:
        raise layer.error(4, "pads from 0")
    return [top, left, bottom, right]


def _sides(layer: Layer) -> tuple[int, int, int, int]:
    left = layer.integer(4)
    top = layer.integer(14, left)
    return left, top, layer.integer(15, left), layer.integer(16, top)


def _cuts(layer: Layer, whole: list[int]) -> list[int]:
    left, top, right, bottom = _sides(layer)
    width = layer.integer(20)
    size = (layer.integer(21, width), width)
    if max(left, top, right, bottom) > 0:
        if min(left, top, right, bottom) < 0:
            raise layer.error(4, "pads from 0")
        return [top, left, bottom, right]
    if min(size) < 1:
        return [0] * 4
    cut = [side - wanted for side, wanted in zip(whole, size, strict=True)]
    if min(cut) < 0:
        raise layer.error(20, f"a size up to {whole[1]}")
    upper = [one // 2 for one in cut]
    lower = [one - half for one, half in zip(cut, upper, strict=True)]
    if left == SAME_UPPER:
        return [*upper, *lower]
    return [*lower, *upper] if left == SAME_LOWER else [0] * 4


def _operands(build: LayerBuilder, layer: Layer) -> list:
    return [build.bound(layer, "weight"), *_bias(build, layer)]


def _bias(build: LayerBuilder, layer: Layer) -> list:
    return [build.bound(layer, "bias")] if (layer.index, "bias") in build.arrays else []


def _check_inputs(layer: Layer, found: int, wanted: int) -> None:
    if found != wanted:
        raise ModelError(f"{layer.where}: its weights are for {wanted} inputs, it takes {found}")
