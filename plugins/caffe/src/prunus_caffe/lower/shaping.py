"""Layers that move, repeat or add up numbers: Flatten, Reshape, Permute, Tile and their like."""

from __future__ import annotations

import math

import numpy as np
import onnx_ir as ir

from prunus_caffe.lower.builder import BarrierError, Builder
from prunus_caffe.records.layers import LayerRecord

Dims = tuple[int, ...]
_SUM, _ASUM, _SUMSQ = 1, 2, 3


def flatten(layer: LayerRecord, build: Builder) -> None:
    """``FlattenLayer``: axes ``axis`` to ``end_axis`` become one."""
    param = layer.params.flatten_param
    value, dims = build.value(layer)
    axis, end = param.axis % len(dims), param.end_axis % len(dims)
    if axis == 0:
        raise BarrierError("it mixes the samples of a batch (axis 0)")
    if end < axis:
        raise build.error(layer, f"expected 'end_axis' {end} after 'axis' {axis}")
    result = (*dims[:axis], math.prod(dims[axis : end + 1]), *dims[end + 1 :])
    if axis == 1 and end == len(dims) - 1:
        build.top(layer, build.emit(layer, "Flatten", [value], {"axis": 1}), result)
    else:
        build.top(layer, _reshape(layer, build, value, result), result)


def reshape(layer: LayerRecord, build: Builder) -> None:
    """``ReshapeLayer``: ``num_axes`` axes from ``axis`` on; 0 copies, -1 is what remains."""
    param = layer.params.reshape_param
    value, dims = build.value(layer)
    start = param.axis if param.axis >= 0 else len(dims) + param.axis + 1
    end = len(dims) if param.num_axes == -1 else start + param.num_axes
    if not 0 <= start <= end <= len(dims):
        raise build.error(
            layer, f"axis {param.axis} and num_axes {param.num_axes} reach past {dims}"
        )
    asked = [int(size) for size in param.shape.dim]
    for position, size in enumerate(asked):
        if size == 0:
            if start + position >= len(dims):
                raise build.error(layer, f"dim {position} copies axis {start + position} of {dims}")
            asked[position] = dims[start + position]
    if asked.count(-1) > 1 or min(asked, default=0) < -1:
        raise build.error(
            layer, f"expected dims of at least 0 and one -1, found {list(param.shape.dim)}"
        )
    result = [*dims[:start], *asked, *dims[end:]]
    if -1 in result:
        known = math.prod(size for size in result if size != -1)
        if known == 0 or math.prod(dims) % known:
            raise build.error(layer, f"cannot reshape {dims} into {result}")
        result[result.index(-1)] = math.prod(dims) // known
    if math.prod(result) != math.prod(dims):
        raise build.error(layer, f"cannot reshape {dims} into {result}")
    if not result or result[0] != dims[0] or math.prod(result[1:]) != math.prod(dims[1:]):
        raise BarrierError("it mixes the samples of a batch")
    build.top(layer, _reshape(layer, build, value, tuple(result)), tuple(result))


def _reshape(
    layer: LayerRecord, build: Builder, value: ir.Value, dims: Dims, part: str = ""
) -> ir.Value:
    name = f"{layer.name}/{part or 'reshape'}-shape"
    target = build.constant(name, [0, *dims[1:]])
    return build.emit(layer, "Reshape", [value, target], part=part)


def permute(layer: LayerRecord, build: Builder) -> None:
    """SSD's ``PermuteLayer``; axes that are not named keep their order at the end."""
    value, dims = build.value(layer)
    order = [int(axis) for axis in layer.params.permute_param.order]
    if len(set(order)) != len(order) or any(axis >= len(dims) for axis in order):
        raise build.error(layer, f"expected different 'order' below {len(dims)}, found {order}")
    order += [axis for axis in range(len(dims)) if axis not in order]
    if order[0] != 0:
        raise BarrierError("it moves the batch axis")
    if order == list(range(len(dims))):
        build.skip(layer)
        return
    result = build.emit(layer, "Transpose", [value], {"perm": order})
    build.top(layer, result, tuple(dims[axis] for axis in order))


def shuffle_channel(layer: LayerRecord, build: Builder) -> None:
    """ShuffleChannel of the ShuffleNet forks: (g, C/g) channels become (C/g, g)."""
    value, dims = build.value(layer)
    group = int(layer.params.shuffle_channel_param.group)
    if group < 1 or dims[1] % group:
        raise build.error(layer, f"expected 'group' {group} to divide {dims[1]} channels")
    if group == 1:
        build.skip(layer)
        return
    rows = _reshape(layer, build, value, (dims[0], group, dims[1] // group, *dims[2:]), "rows")
    order = [0, 2, 1, *range(3, len(dims) + 1)]
    columns = build.emit(layer, "Transpose", [rows], {"perm": order}, part="columns")
    build.top(layer, _reshape(layer, build, columns, dims), dims)


def tile(layer: LayerRecord, build: Builder) -> None:
    """``TileLayer``."""
    param = layer.params.tile_param
    value, dims = build.value(layer)
    axis = param.axis % len(dims)
    if axis == 0:
        raise BarrierError("it repeats the samples of a batch (axis 0)")
    if param.tiles < 1:
        raise build.error(layer, f"expected 'tiles' of at least 1, found {param.tiles}")
    repeats = [param.tiles if at == axis else 1 for at in range(len(dims))]
    result = build.emit(layer, "Tile", [value, build.constant(f"{layer.name}/repeats", repeats)])
    build.top(layer, result, tuple(size * count for size, count in zip(dims, repeats, strict=True)))


def reduction(layer: LayerRecord, build: Builder) -> None:
    """``ReductionLayer``: all axes from ``axis`` on become one number, times ``coeff``."""
    param = layer.params.reduction_param
    value, dims = build.value(layer)
    axis = param.axis % len(dims)
    if axis == 0:
        raise BarrierError("it adds up the samples of a batch (axis 0)")
    axes = list(range(axis, len(dims)))
    if param.operation == _ASUM:
        value = build.emit(layer, "Abs", [value], part="abs")
    elif param.operation == _SUMSQ:
        value = build.emit(layer, "Mul", [value, value], part="square")
    if param.operation in (_SUM, _ASUM, _SUMSQ):
        operand = build.constant(f"{layer.name}/axes", axes)
        result = build.emit(layer, "ReduceSum", [value, operand], {"keepdims": 0})
    else:
        result = build.emit(layer, "ReduceMean", [value], {"axes": axes, "keepdims": 0})
    if param.coeff != 1:
        factor = build.scalar(f"{layer.name}/coeff", float(param.coeff))
        result = build.emit(layer, "Mul", [result, factor], part="coeff")
    build.top(layer, result, dims[:axis])


def embed(layer: LayerRecord, build: Builder) -> None:
    """``EmbedLayer``: row of the weight (input_dim, num_output) for every number of the bottom."""
    param = layer.params.embed_param
    value, dims = build.value(layer)
    build.expect_blobs(layer, 2 if param.bias_term else 1)
    weight = build.parameter(layer, 0, "weight", (int(param.input_dim), int(param.num_output)))
    index = build.emit(layer, "Cast", [value], {"to": ir.DataType.INT64.value}, part="index")
    index.type = ir.TensorType(ir.DataType.INT64)
    result = build.emit(layer, "Gather", [weight, index], {"axis": 0})
    if param.bias_term:
        shift = build.parameter(layer, 1, "bias", (int(param.num_output),))
        result = build.emit(layer, "Add", [result, shift], part="bias")
    build.top(layer, result, (*dims, int(param.num_output)))


def upsample(layer: LayerRecord, build: Builder) -> None:
    """Upsample of the YOLO forks: every number ``scale`` times in both directions."""
    param = layer.params.upsample_param
    if len(layer.bottoms) > 1:
        raise BarrierError("it puts maxima back to positions another layer remembers")
    value, dims = build.value(layer)
    scale = int(param.scale)
    if scale < 1 or len(dims) != 4:
        raise build.error(
            layer, f"expected a 'scale' of at least 1 and an image, found {scale} and {dims}"
        )
    sizes = dims[2] * scale, dims[3] * scale
    attributes = {
        "mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"
    }  # fmt: skip
    build.top(layer, _resize(layer, build, value, dims, sizes, attributes), (*dims[:2], *sizes))


def interp(layer: LayerRecord, build: Builder) -> None:
    """Interp of DeepLab and PSPNet: bilinear, corners aligned.

    Sizes as in DeepLab's interp_layer.cpp: shrink and zoom by (size - 1) steps,
    or an explicit height and width.
    """
    param = layer.params.interp_param
    value, dims = build.value(layer)
    if len(layer.bottoms) > 1:
        sizes = build.bottom(layer, 1).dims[2:]
    elif param.HasField("height") and param.HasField("width"):
        sizes = int(param.height), int(param.width)
    else:
        sizes = tuple(_zoomed(size, param.shrink_factor, param.zoom_factor) for size in dims[2:])
    if param.pad_beg or param.pad_end:
        raise BarrierError("it crops before it interpolates (pad_beg, pad_end)")
    if len(dims) != 4 or min(sizes) < 1:
        raise build.error(
            layer, f"expected an image and sizes of at least 1, found {dims} and {sizes}"
        )
    attributes = {"mode": "linear", "coordinate_transformation_mode": "align_corners"}
    build.top(layer, _resize(layer, build, value, dims, sizes, attributes), (*dims[:2], *sizes))


def _zoomed(size: int, shrink: int, zoom: int) -> int:
    size = (size - 1) // shrink + 1
    return size + (size - 1) * (zoom - 1)


def _resize(
    layer: LayerRecord, build: Builder, value: ir.Value,
    dims: Dims, sizes: Dims, attributes: dict[str, str],
) -> ir.Value:  # fmt: skip
    """Resize by scales: sizes would fix the batch. Each is raised until floor() gives its size."""
    scales = [np.float32(1), np.float32(1)]
    for before, after in zip(dims[2:], sizes, strict=True):
        scale = np.float32(after / before)
        while math.floor(np.float32(before) * scale) < after:
            scale = np.nextafter(scale, np.float32(np.inf))
        scales.append(scale)
    operand = build.constant(f"{layer.name}/scales", np.array(scales, np.float32))
    return build.emit(layer, "Resize", [value, None, operand], attributes)
