"""Layers that move numbers: Reshape, Permute, Slice, ShuffleChannel and their like."""

from __future__ import annotations

import math
from collections.abc import Callable

from prunus.plugin import ModelError
from prunus_ncnn.lower.builder import (
    Blob,
    Dims,
    LayerBuilder,
    UnsupportedError,
    image,
    shown,
)
from prunus_ncnn.lower.combining import axis_of
from prunus_ncnn.param import Layer

_REST = -233


def _flatten(build: LayerBuilder, layer: Layer, blob: Blob) -> Blob:
    return build.reshape(layer, blob, (math.prod(blob.dims),))


def _reshape(build: LayerBuilder, layer: Layer, blob: Blob) -> Blob:
    """src/layer/reshape.cpp: 0 copies a size, -1 is what remains."""
    if layer.integer(3):
        raise UnsupportedError("which counts the channels last (key 3)")
    if 6 in layer.params:
        raise UnsupportedError("which has its sizes from an expression (key 6)")
    keys = reshape_keys(layer)
    if not keys:
        raise layer.error(0, "a width")
    sizes = [layer.integer(key) for key in keys]
    for position, key in enumerate(keys):
        if sizes[position] == 0:
            sizes[position] = _size(blob.dims, key)
    known = math.prod(size for size in sizes if size != -1)
    total = math.prod(blob.dims)
    if sizes.count(-1) > 1 or known < 1 or total % known:
        raise ModelError(f"{layer.where}: cannot make {sizes} of {shown(blob.dims)}")
    dims = tuple(total // known if size == -1 else size for size in sizes)
    if math.prod(dims) != total:
        raise ModelError(f"{layer.where}: cannot make {shown(dims)} of {shown(blob.dims)}")
    return build.reshape(layer, blob, dims)


def reshape_keys(layer: Layer) -> list[int]:
    """Keys of the sizes of a Reshape, in the order of the axes: channels, depth, height, width."""
    return [key for key in (2, 11, 1, 0) if layer.integer(key, _REST) != _REST]


def _size(dims: Dims, key: int) -> int:
    """Width, height, depth or channels of a blob."""
    axes = {0: -1, 1: -2, 11: -3, 2: 0}
    short = {0: 1, 1: 2, 11: 4, 2: 3}[key] > len(dims)
    return 1 if short else dims[axes[key]]


_ORDERS: dict[tuple[int, int], Dims] = {
    (2, 0): (0, 1), (2, 1): (1, 0),
    (3, 0): (0, 1, 2), (3, 1): (0, 2, 1), (3, 2): (1, 0, 2),
    (3, 3): (1, 2, 0), (3, 4): (2, 0, 1), (3, 5): (2, 1, 0),
}  # fmt: skip
"""Number of axes, order_type -> order of the axes ``(C, H, W)`` (src/layer/permute.cpp)."""


def _permute(build: LayerBuilder, layer: Layer, blob: Blob) -> Blob:
    kind, rank = layer.integer(0), len(blob.dims)
    if kind == 0 or rank == 1:
        return blob
    order = _ORDERS.get((rank, kind))
    if order is None:
        raise UnsupportedError(f"which orders {rank} axes by order type {kind}")
    dims = tuple(blob.dims[axis] for axis in order)
    return build.emit(
        layer, "Transpose", [blob], dims, {"perm": [0, *(axis + 1 for axis in order)]}
    )


def _softmax(build: LayerBuilder, layer: Layer, blob: Blob) -> Blob:
    axis = axis_of(layer, 0, blob)
    if axis and not layer.integer(1):
        raise UnsupportedError("which is of an old ncnn and has no key 1=1")
    return build.emit(layer, "Softmax", [blob], blob.dims, {"axis": axis + 1})


def _shuffle_channel(build: LayerBuilder, layer: Layer, blob: Blob) -> Blob:
    """src/layer/shufflechannel.cpp: (g, C/g) channels become (C/g, g)."""
    channels, *area = image(layer, blob)
    group = layer.integer(0, 1)
    if group < 1 or channels % group:
        raise layer.error(0, f"a divisor of {channels} channels")
    if layer.integer(1):
        group = channels // group
    if group in (1, channels):
        return blob
    rows, columns = (group, channels // group, *area), (channels // group, group, *area)
    value = build.reshape(layer, blob, rows, "rows")
    value = build.emit(layer, "Transpose", [value], columns, {"perm": [0, 2, 1, 3, 4]}, "columns")
    return build.reshape(layer, value, blob.dims, "channels")


def _pixel_shuffle(build: LayerBuilder, layer: Layer, blob: Blob) -> Blob:
    """src/layer/pixelshuffle.cpp."""
    channels, height, width = image(layer, blob)
    factor = layer.integer(0, 1)
    if factor < 1 or channels % factor**2:
        raise layer.error(0, f"a factor whose square divides {channels} channels")
    if factor == 1:
        return blob
    dims = (channels // factor**2, height * factor, width * factor)
    attributes = {"blocksize": factor, "mode": "DCR" if layer.integer(1) else "CRD"}
    return build.emit(layer, "DepthToSpace", [blob], dims, attributes)


def _reorg(build: LayerBuilder, layer: Layer, blob: Blob) -> Blob:
    """src/layer/reorg.cpp: blocks of pixels become channels, the block outside or inside."""
    channels, height, width = image(layer, blob)
    step = layer.integer(0, 1)
    if step < 1 or height % step or width % step:
        raise layer.error(0, f"a divisor of {height} and {width}")
    if step == 1:
        return blob
    rows, columns = height // step, width // step
    value = build.reshape(layer, blob, (channels, rows, step, columns, step), "blocks")
    perm = [0, 3, 5, 1, 2, 4] if layer.integer(1) else [0, 1, 3, 5, 2, 4]
    sizes = (1, channels, rows, step, columns, step)
    moved = tuple(sizes[axis] for axis in perm[1:])
    value = build.emit(layer, "Transpose", [value], moved, {"perm": perm}, "moved")
    return build.reshape(layer, value, (channels * step**2, rows, columns), "channels")


SHAPING: dict[str, Callable[[LayerBuilder, Layer, Blob], Blob]] = {
    "Flatten": _flatten,
    "Permute": _permute,
    "PixelShuffle": _pixel_shuffle,
    "Reorg": _reorg,
    "Reshape": _reshape,
    "ShuffleChannel": _shuffle_channel,
    "Softmax": _softmax,
}
"""Type -> lowering of a layer that takes one blob and gives one."""


def split_sizes(layer: Layer, total: int) -> tuple[int, ...]:
    """Sizes of the parts of a Slice: -233 is an equal share of what remains (src/layer/slice.cpp).

    Raises:
        ModelError: they do not add up.
    """
    asked = layer.integers(0, (_REST,) * len(layer.tops))
    if 2 in layer.params:
        raise UnsupportedError("which cuts at places (key 2)")
    if len(asked) != len(layer.tops):
        raise layer.error(0, f"{len(layer.tops)} sizes")
    sizes: list[int] = []
    for number, size in enumerate(asked):
        rest = total - sum(sizes)
        sizes.append(rest // (len(asked) - number) if size == _REST else size)
    if sum(sizes) != total or min(sizes) < 1:
        raise layer.error(0, f"sizes that add up to {total}")
    return tuple(sizes)


def slices(build: LayerBuilder, layer: Layer, blob: Blob) -> list[Blob]:
    """Slice: consecutive parts of an axis."""
    axis = axis_of(layer, 1, blob)
    sizes = split_sizes(layer, blob.dims[axis])
    if len(sizes) == 1:
        return [blob]
    dims = [(*blob.dims[:axis], size, *blob.dims[axis + 1 :]) for size in sizes]
    values = build.nodes(
        layer.name, "Split", [blob.value, build.integers(layer, "sizes", sizes)],
        {"axis": axis + 1}, shapes=[("N", *one) for one in dims],
        name=layer.name, outputs=list(layer.tops),
    )  # fmt: skip
    return [Blob(value, one) for value, one in zip(values, dims, strict=True)]
