"""Lowering of layers with one input and no weights."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import onnx_ir as ir

from prunus_darknet.lower.builder import LayerBuilder
from prunus_darknet.records.layers import Layer


def _pool(build: LayerBuilder, layer: Layer, value: ir.Value) -> ir.Value:
    """Windows start at ``-padding / 2``, all padding counted (``forward_maxpool_layer``)."""
    numbers = layer.numbers
    before = numbers["padding"] // 2
    after = numbers["padding"] - before
    attributes: dict[str, int | list[int]] = {
        "kernel_shape": [numbers["size"]] * 2,
        "strides": [numbers["stride_y"], numbers["stride_x"]],
        "pads": [before, before, after, after],
    }
    value = build.as_image(layer, value, layer.input, "image")
    if layer.type == "maxpool":
        return build.emit(layer, "pool", "MaxPool", (value,), layer.output.dims, attributes)
    attributes["count_include_pad"] = 0
    return build.emit(layer, "pool", "AveragePool", (value,), layer.output.dims, attributes)


def _avgpool(build: LayerBuilder, layer: Layer, value: ir.Value) -> ir.Value:
    value = build.as_image(layer, value, layer.input, "image")
    return build.emit(layer, "pool", "GlobalAveragePool", (value,), layer.output.dims)


def _crop(build: LayerBuilder, layer: Layer, value: ir.Value) -> ir.Value:
    """The centre, moved to [-1, 1] unless ``noadjust`` (``forward_crop_layer``, not training)."""
    given, out = layer.input, layer.output
    value = build.as_image(layer, value, given, "image")
    top, left = (given.h - out.h) // 2, (given.w - out.w) // 2
    positions = {2: range(top, top + out.h), 3: range(left, left + out.w)}
    value = build.cut(layer, "crop", value, positions)
    if layer.numbers["noadjust"]:
        return value
    value = build.scaled(layer, "double", value, 2.0)
    one = build.constant(f"{layer.name}/one", np.array(1.0, np.float32))
    return build.emit(layer, "centre", "Sub", (value, one), out.dims)


def _upsample(build: LayerBuilder, layer: Layer, value: ir.Value) -> ir.Value:
    """Repeats pixels; a negative stride sums squares of pixels (``upsample_cpu``)."""
    stride = layer.numbers["stride"]
    scale = layer.section.real("scale", 1.0)
    value = build.as_image(layer, value, layer.input, "image")
    if stride > 0:
        value = build.repeat(layer, "resize", value, stride)
    else:
        window = {"kernel_shape": [-stride] * 2, "strides": [-stride] * 2}
        value = build.emit(layer, "mean", "AveragePool", (value,), layer.output.dims, window)
        scale *= stride * stride
    return build.scaled(layer, "scale", value, scale)


def _reorg(build: LayerBuilder, layer: Layer, value: ir.Value) -> ir.Value:
    """Space to depth in Darknet's own order.

    ``[reorg]`` reads its (c, h, w) input as if it were (c / s², h s, w s)
    (``reorg_cpu`` is called with the input's sizes for the output's), which needs a multiple
    of s² channels. Their numbers lie one after the other: p neighbouring channels whose rows
    s² divides are moved by themselves, whatever lies beside them. ``reverse`` and AlexeyAB's
    ``[reorg3d]`` are plain depth to space and space to depth.
    """
    given, s = layer.input, layer.numbers["stride"]
    value = build.as_image(layer, value, given, "image")
    if "extra" in layer.numbers:
        return _padded(build, layer, value)
    if layer.numbers["flatten"]:
        return _pixels_first(build, layer, value)
    if layer.numbers["reverse"] or layer.type == "reorg3d":
        op = "DepthToSpace" if layer.numbers["reverse"] else "SpaceToDepth"
        return build.emit(layer, "depth", op, (value,), layer.output.dims, {"blocksize": s})
    build.restrict(value, s * s)
    p = s * s // math.gcd(given.h, s * s)
    split = (given.c // p, p * given.h // (s * s), s, given.w, s)
    value = build.reshape(layer, "blocks", value, split, split)
    moved = (s, s, *split[:2], given.w)
    value = build.emit(layer, "swap", "Transpose", (value,), moved, {"perm": [0, 3, 5, 1, 2, 4]})
    return build.reshape(layer, "maps", value, layer.output.dims, layer.output.dims)


def _padded(build: LayerBuilder, layer: Layer, value: ir.Value) -> ir.Value:
    """``extra`` zeros behind the vector (a "pass" move in Darknet's go player)."""
    value = build.as_vector(layer, value, layer.input, "flatten")
    pads = build.constant(f"{layer.name}/pads", [0, 0, 0, layer.numbers["extra"]])
    return build.emit(layer, "pad", "Pad", (value, pads), (layer.output.size,))


def _pixels_first(build: LayerBuilder, layer: Layer, value: ir.Value) -> ir.Value:
    """``flatten``: (c, h w) to (h w, c), or back with ``reverse``."""
    positions, c = layer.input.h * layer.input.w, layer.input.c
    split = (positions, c) if layer.numbers["reverse"] else (c, positions)
    value = build.reshape(layer, "split", value, split, split)
    value = build.emit(layer, "swap", "Transpose", (value,), split[::-1], {"perm": [0, 2, 1]})
    return build.reshape(layer, "maps", value, layer.output.dims, layer.output.dims)


def _softmax(build: LayerBuilder, layer: Layer, value: ir.Value) -> ir.Value:
    """Softmax over each of ``groups`` runs, at ``temperature``."""
    size, groups = layer.output.size, layer.numbers["groups"]
    temperature = layer.section.real("temperature", 1.0)
    value = build.as_vector(layer, value, layer.input, "flatten")
    if temperature:
        value = build.scaled(layer, "cool", value, 1 / temperature)
    if groups == 1:
        return build.emit(layer, "softmax", "Softmax", (value,), (size,), {"axis": 1})
    split = (groups, size // groups)
    value = build.reshape(layer, "runs", value, split, split)
    value = build.emit(layer, "softmax", "Softmax", (value,), split, {"axis": 2})
    return build.reshape(layer, "join", value, (size,), (size,))


def _logistic(build: LayerBuilder, layer: Layer, value: ir.Value) -> ir.Value:
    value = build.as_image(layer, value, layer.input, "image")
    return build.emit(layer, "sigmoid", "Sigmoid", (value,), layer.input.dims)


def _l2norm(build: LayerBuilder, layer: Layer, value: ir.Value) -> ir.Value:
    value = build.as_image(layer, value, layer.input, "image")
    attributes = {"axis": 1, "p": 2}
    return build.emit(layer, "norm", "LpNormalization", (value,), layer.output.dims, attributes)


def _same(build: LayerBuilder, layer: Layer, value: ir.Value) -> ir.Value:
    del build, layer
    return value


MAPS: dict[str, Callable[[LayerBuilder, Layer, ir.Value], ir.Value]] = {
    "maxpool": _pool,
    "local_avgpool": _pool,
    "avgpool": _avgpool,
    "crop": _crop,
    "upsample": _upsample,
    "reorg": _reorg,
    "reorg3d": _reorg,
    "softmax": _softmax,
    "logistic": _logistic,
    "l2norm": _l2norm,
    "dropout": _same,
    "activation": _same,
}
