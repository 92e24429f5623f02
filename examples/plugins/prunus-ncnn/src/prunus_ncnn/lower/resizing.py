"""Layers that change height and width: Interp, Padding and Crop."""

from __future__ import annotations

import math

import numpy as np

from prunus_ncnn.lower.builder import Blob, Dims, LayerBuilder, UnsupportedError, image, shown
from prunus_ncnn.lower.pooling import cut
from prunus_ncnn.param import Layer

_REST = -233
_NEAREST, _LINEAR, _CUBIC = 1, 2, 3


def interp(build: LayerBuilder, layer: Layer, blobs: list[Blob]) -> Blob:
    """src/layer/interp.cpp; a second blob gives the size."""
    blob = blobs[0]
    if 9 in layer.params:
        raise UnsupportedError("which has its size from an expression (key 9)")
    if len(blob.dims) == 1:  # one number a channel
        blob = build.reshape(layer, blob, (*blob.dims, 1, 1), "pixel")
    channels, *area = image(layer, blob)
    if layer.integer(5) and len(blobs) > 1:
        size = list(image(layer, blobs[1])[1:])
    else:
        scales = layer.real(1, 1.0), layer.real(2, 1.0)
        fixed = layer.integer(3), layer.integer(4)
        size = [
            wanted or int(np.float32(side) * np.float32(scale))
            for side, scale, wanted in zip(area, scales, fixed, strict=True)
        ]
    if min(size) < 1:
        raise layer.error(3, "a size from 1")
    if size == area:
        return blob
    kind = layer.integer(0)
    corner = "align_corners" if layer.integer(6) else "half_pixel"
    if kind == _NEAREST:
        attributes = {
            "mode": "nearest", "coordinate_transformation_mode": "asymmetric",
            "nearest_mode": "floor",
        }  # fmt: skip
    elif kind in (_LINEAR, _CUBIC):
        mode = "linear" if kind == _LINEAR else "cubic"
        attributes = {"mode": mode, "coordinate_transformation_mode": corner}
    else:
        raise UnsupportedError(f"which resizes by the method {kind}")
    operand = build.constant(
        f"{layer.name}/scales", np.array([1, 1, *map(_scale, area, size)], np.float32)
    )
    dims = (channels, *size)
    return build.emit(layer, "Resize", [blob, None, operand], dims, attributes)


def _scale(before: int, after: int) -> np.float32:
    """The least float32 scale that makes ``before`` at least ``after``: sizes fix the batch."""
    scale = np.float32(after / before)
    while math.floor(np.float32(before) * scale) < after:
        scale = np.nextafter(scale, np.float32(np.inf))
    return scale


def padding(build: LayerBuilder, layer: Layer, blobs: list[Blob]) -> Blob:
    """src/layer/padding.cpp."""
    if len(blobs) > 1 or layer.integer(6):
        raise UnsupportedError("which takes its border from elsewhere")
    blob, kind = blobs[0], layer.integer(4)
    if not 0 <= kind <= 2:
        raise UnsupportedError(f"which pads by the method {kind}")
    sides = [(7, 8), (0, 1), (2, 3)][-len(blob.dims) :]
    front = [layer.integer(key) for key, _ in sides]
    back = [layer.integer(key) for _, key in sides]
    if min(*front, *back) < 0:
        raise layer.error(0, "a border from 0")
    if not any(front) and not any(back):
        return blob
    operands = [blob, build.integers(layer, "pads", (0, *front, 0, *back))]
    if kind == 0:
        operands.append(build.scalar(layer, "fill", layer.real(5)))
    dims = tuple(map(sum, zip(front, blob.dims, back, strict=True)))
    attributes = {"mode": ("constant", "edge", "reflect")[kind]}
    return build.emit(layer, "Pad", operands, dims, attributes)


def crop(build: LayerBuilder, layer: Layer, blobs: list[Blob]) -> Blob:
    """src/layer/crop.cpp, ``resolve_crop_roi``."""
    if layer.params.keys() & {19, 20, 21}:
        raise UnsupportedError("which has its range from expressions")
    blob = blobs[0]
    if len(blobs) > 1:
        return _crop_like(build, layer, blob, blobs[1])
    return _cut(build, layer, blob, crop_ranges(layer, blob.dims))


CROP_KEYS = ((2, 8, 5), (1, 7, 4), (0, 6, 3))
"""Keys of the offsets before and behind and of the size: channels, height, width."""


def crop_ranges(layer: Layer, dims: Dims) -> dict[int, tuple[int, int]]:
    """Start and end of each axis that a Crop of one blob cuts.

    Raises:
        ModelError: they lie outside of the blob.
        UnsupportedError: the offsets are those of a blob of another number of axes.
    """
    starts, ends, axes = (layer.integers(key) for key in (9, 10, 11))
    if starts and ends:
        return _numpy_ranges(layer, dims, starts, ends, axes or range(len(starts)))
    return _offset_ranges(layer, dims)


def _cut(build: LayerBuilder, layer: Layer, blob: Blob, ranges: dict[int, tuple[int, int]]) -> Blob:
    """Start to end of axes without the batch; the same blob where that is all of it."""
    for axis, (start, end) in ranges.items():
        if not 0 <= start < end <= blob.dims[axis]:
            raise layer.error(9, f"a range within a blob of {shown(blob.dims)}")
    less = {
        axis + 1: (start, end)
        for axis, (start, end) in ranges.items()
        if (start, end) != (0, blob.dims[axis])
    }
    return cut(build, layer, blob, less, "") if less else blob


def _numpy_ranges(layer, dims, starts, ends, axes) -> dict[int, tuple[int, int]]:
    rank, ranges = len(dims), {}
    if not len(starts) == len(ends) == len(axes) or any(not -rank <= a < rank for a in axes):
        raise layer.error(9, f"starts, ends and axes of a blob of {shown(dims)}")
    for start, end, axis in zip(starts, ends, axes, strict=True):
        size = dims[axis]
        start = 0 if start == _REST else start if start >= 0 else size + start
        end = size if end == _REST else end if end > 0 else size + end
        ranges[axis % rank] = (start, min(end, size))
    return ranges


def _offset_ranges(layer: Layer, dims: Dims) -> dict[int, tuple[int, int]]:
    """Offsets before and behind, and a size that may be less; -233 keeps what is left."""
    ranges = {}
    for axis, (before, behind, length) in enumerate(CROP_KEYS[-len(dims) :]):
        start = layer.integer(before)
        if start == _REST:
            raise UnsupportedError("which has offsets of -233")
        size = dims[axis] - start - layer.integer(behind)
        wanted = layer.integer(length)
        ranges[axis] = (start, start + (size if wanted == _REST else min(wanted, size)))
    return ranges


def _crop_like(build: LayerBuilder, layer: Layer, blob: Blob, like: Blob) -> Blob:
    """As large as another blob, its number of channels too."""
    offsets = [layer.integer(key) for key in (2, 1, 0)][-len(blob.dims) :]
    if len(like.dims) > len(blob.dims):
        raise UnsupportedError(f"which is to be like a blob of {shown(like.dims)}")
    ranges = {
        axis: (start, start + size)
        for axis, (start, size) in enumerate(zip(offsets, blob.dims, strict=True))
    }
    for back, size in enumerate(reversed(like.dims), 1):
        axis = len(blob.dims) - back
        ranges[axis] = (offsets[axis], offsets[axis] + size)
    value = _cut(build, layer, blob, ranges)
    if len(like.dims) < len(blob.dims):
        return value
    # the file can only say "as many channels as the other": they are chosen together
    never = build.constant(f"{layer.name}/never", np.array(False))
    return build.emit(layer, "Where", [never, like, value], value.dims, part="like")
