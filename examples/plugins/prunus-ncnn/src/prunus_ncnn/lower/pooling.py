"""Pooling (src/layer/pooling.cpp) and Reduction (src/layer/reduction.cpp)."""

from __future__ import annotations

from prunus_ncnn.lower.builder import Blob, Dims, LayerBuilder, UnsupportedError, image
from prunus_ncnn.lower.weighted import padded, same_pads
from prunus_ncnn.param import Layer

_AVERAGE = 1
_FULL, _VALID, _SAME_UPPER, _SAME_LOWER = range(4)
_KEEP = -233


def pooling(build: LayerBuilder, layer: Layer, blob: Blob) -> Blob:
    """Maximum or mean of windows, of a grid of nearly equal parts, or of whole channels."""
    channels, *area = image(layer, blob)
    average = layer.integer(0) == _AVERAGE
    if layer.integer(4):
        op = "GlobalAveragePool" if average else "GlobalMaxPool"
        value = build.emit(layer, op, [blob], (channels, 1, 1), part="pool")
        return build.reshape(layer, value, (channels,), "flat")
    if layer.integer(7):
        width = layer.integer(8)
        sizes = (layer.integer(18, width), width)
        grid = [side if size == _KEEP else size for side, size in zip(area, sizes, strict=True)]
        return _adaptive(build, layer, blob, grid, average)
    return _windows(build, layer, blob, area, average)


def _windows(build: LayerBuilder, layer: Layer, blob: Blob, area: list[int], average: bool) -> Blob:
    width, stride = layer.integer(1), layer.integer(2, 1)
    kernel, strides = [layer.integer(11, width), width], (layer.integer(12, stride), stride)
    left = layer.integer(3)
    top = layer.integer(13, left)
    pads = [top, left, layer.integer(15, top), layer.integer(14, left)]
    if min(*kernel, *strides) < 1 or min(pads) < 0:
        raise layer.error(1, "windows and strides from 1 and pads from 0")
    mode = layer.integer(5)
    if mode == _FULL:
        for axis, (side, size, step) in enumerate(zip(area, kernel, strides, strict=True)):
            pads[axis + 2] += -(side + pads[axis] + pads[axis + 2] - size) % step
    elif mode in (_SAME_UPPER, _SAME_LOWER):
        pads = same_pads(area, kernel, strides, mode == _SAME_UPPER)
    elif mode != _VALID:
        raise UnsupportedError(f"which pads in the mode {mode}")
    counted = average and (layer.integer(6) or mode in (_SAME_UPPER, _SAME_LOWER))
    if any(pad >= size for pad, size in zip(pads, kernel * 2, strict=True)) and not counted:
        raise UnsupportedError("which has windows beyond the image")
    if any(pads) and counted:
        blob, pads = padded(build, layer, blob, pads, 0.0), [0] * 4
        area = list(blob.dims[1:])
    size = tuple(
        (side + pads[axis] + pads[axis + 2] - window) // step + 1
        for axis, (side, window, step) in enumerate(zip(area, kernel, strides, strict=True))
    )
    attributes = {"kernel_shape": kernel, "strides": list(strides), "pads": pads}
    op = "AveragePool" if average else "MaxPool"
    return build.emit(layer, op, [blob], (blob.dims[0], *size), attributes)


def _adaptive(
    build: LayerBuilder, layer: Layer, blob: Blob, grid: list[int], average: bool
) -> Blob:
    """Part i of n begins at ⌊i · size / n⌋ and ends at ⌈(i + 1) · size / n⌉."""
    channels, *area = blob.dims
    if min(grid) < 1:
        raise layer.error(8, "a size from 1")
    if not any(side % size for side, size in zip(area, grid, strict=True)):
        window = [side // size for side, size in zip(area, grid, strict=True)]
        op = "AveragePool" if average else "MaxPool"
        attributes = {"kernel_shape": window, "strides": window}
        return build.emit(layer, op, [blob], (channels, *grid), attributes)
    for axis in (2, 3):
        blob = _parts(build, layer, blob, axis, grid[axis - 2], average)
    return blob


def _parts(
    build: LayerBuilder, layer: Layer, blob: Blob, axis: int, count: int, average: bool
) -> Blob:
    """One axis in ``count`` parts; the mean of equally long rows is that of a rectangle."""
    side = blob.dims[axis - 1]
    rows = []
    for number in range(count):
        start, end = number * side // count, -(-(number + 1) * side // count)
        part = cut(build, layer, blob, {axis: (start, end)}, f"part{axis}-{number}")
        op = "ReduceMean" if average else "ReduceMax"
        attributes = {"axes": [axis], "keepdims": 1}
        dims = replaced(blob.dims, axis, 1)
        rows.append(build.emit(layer, op, [part], dims, attributes, f"row{axis}-{number}"))
    dims = replaced(blob.dims, axis, count)
    return build.emit(layer, "Concat", rows, dims, {"axis": axis}, f"rows{axis}")


def replaced(dims: Dims, axis: int, size: int) -> Dims:
    """Another size on an axis of the graph, where 0 is the batch."""
    return (*dims[: axis - 1], size, *dims[axis:])


def cut(
    build: LayerBuilder, layer: Layer, blob: Blob, ranges: dict[int, tuple[int, int]], part: str
) -> Blob:
    """Start to end of some axes of the graph, where 0 is the batch."""
    dims = blob.dims
    for axis, (start, end) in ranges.items():
        dims = replaced(dims, axis, end - start)
    operands = [
        build.integers(layer, f"{part or 'cut'}-starts", [start for start, _ in ranges.values()]),
        build.integers(layer, f"{part or 'cut'}-ends", [end for _, end in ranges.values()]),
        build.integers(layer, f"{part or 'cut'}-axes", list(ranges)),
    ]
    return build.emit(layer, "Slice", [blob, *operands], dims, part=part)


_REDUCTIONS = (
    "ReduceSum ReduceL1 ReduceSumSquare ReduceMean ReduceMax ReduceMin ReduceProd ReduceL1 "
    "ReduceL2 ReduceLogSum ReduceLogSumExp"
).split()


def reduction(build: LayerBuilder, layer: Layer, blob: Blob) -> Blob:
    """One number of all numbers of some axes."""
    kind, rank = layer.integer(0), len(blob.dims)
    if not 0 <= kind < len(_REDUCTIONS):
        raise UnsupportedError(f"which computes the operation {kind}")
    axes = list(range(1, rank + 1))
    if not layer.integer(1, 1):
        if not layer.integer(5):
            raise UnsupportedError("which is of an old ncnn and has no key 5=1")
        axes = sorted({axis % rank + 1 for axis in layer.integers(3)})
    kept = tuple(1 if axis in axes else size for axis, size in enumerate(blob.dims, 1))
    left = tuple(size for axis, size in enumerate(blob.dims, 1) if axis not in axes) or (1,)
    op, operands, attributes = _REDUCTIONS[kind], [blob], {"keepdims": 1}
    if op == "ReduceSum":
        operands.append(build.integers(layer, "axes", axes))
    else:
        attributes["axes"] = axes
    value = build.emit(layer, op, operands, kept, attributes, "reduce")
    if layer.real(2, 1.0) != 1:
        factor = build.scalar(layer, "coeff", layer.real(2, 1.0))
        value = build.emit(layer, "Mul", [value, factor], kept, part="coeff")
    if layer.integer(4):
        return value
    return build.reshape(layer, value, left, "left")
