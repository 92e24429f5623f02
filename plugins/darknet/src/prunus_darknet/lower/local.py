"""Lowering of ``[local]``: a convolution with weights of its own at every position."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from prunus_darknet.lower.builder import LayerBuilder
from prunus_darknet.lower.weighted import Weighted
from prunus_darknet.records.layers import Layer


def local(build: LayerBuilder, layer: Layer, value: ir.Value, weights: Weighted) -> ir.Value:
    """Patches side by side, then a grouped 1x1 convolution with one group a position.

    ``forward_local_layer`` keeps weights as (position, filter, channel, row, column),
    which is that convolution's weight as it stands, and one bias a position.
    """
    out, positions = layer.output, layer.output.h * layer.output.w
    value = _patches(build, layer, value)
    length = layer.input.c * layer.numbers["size"] ** 2
    line = (positions * length, 1, 1)
    value = build.reshape(layer, "line", value, line, line)
    value = build.emit(
        layer,
        "conv",
        "Conv",
        (value, weights.bind(build, layer, "weight")),
        (positions * out.c, 1, 1),
        {"kernel_shape": [1, 1], "group": positions},
    )
    value = build.reshape(layer, "positions", value, (positions, out.c), (positions, out.c))
    value = build.emit(
        layer, "turn", "Transpose", (value,), (out.c, positions), {"perm": [0, 2, 1]}
    )
    value = build.reshape(layer, "map", value, out.dims, out.dims)
    return build.emit(layer, "add", "Add", (value, weights.bind(build, layer, "bias")), out.dims)


def _patches(build: LayerBuilder, layer: Layer, value: ir.Value) -> ir.Value:
    """``(N, h, w, c, size * size)``: the window's inputs at each position (``im2col_cpu``)."""
    given, out, numbers = layer.input, layer.output, layer.numbers
    size, stride, pad = numbers["size"], numbers["stride"], numbers["pad"]
    value = build.as_image(layer, value, given, "image")
    if pad:
        pads = build.constant(f"{layer.name}/pads", [0, 0, 1, 1, 0, 0, 1, 1])
        dims = (given.c, given.h + 2, given.w + 2)
        value = build.emit(layer, "pad", "Pad", (value, pads), dims)
    parts = []
    for row, column in np.ndindex(size, size):
        step = f"window{row}_{column}"
        rows = range(row, row + out.h * stride, stride)
        columns = range(column, column + out.w * stride, stride)
        part = build.cut(layer, step, value, {2: rows, 3: columns})
        axis = build.constant(f"{layer.name}/{step}_axis", [2])
        parts.append(
            build.emit(layer, f"{step}_up", "Unsqueeze", (part, axis), (given.c, 1, out.h, out.w))
        )
    dims5 = (given.c, size * size, out.h, out.w)
    value = build.emit(layer, "windows", "Concat", parts, dims5, {"axis": 2})
    moved = (out.h, out.w, given.c, size * size)
    return build.emit(layer, "patches", "Transpose", (value,), moved, {"perm": [0, 3, 4, 1, 2]})
