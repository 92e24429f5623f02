"""Layers that only move numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from prunus_tensorflow.keras_model.rules.context import Rule, Site, images, last
from prunus_tensorflow.lower.tensors import Dynamic, Unlowerable


def flatten(site: Site, x: Dynamic) -> Dynamic:
    """``Flatten``: native order; channels-first data is moved to channels-last before.

    Source: keras/src/layers/reshaping/flatten.py.
    """
    if not last(site.layer) and len(x.shape) > 2:
        order = (0, *range(2, len(x.shape)), 1)
        rows = site.arranged(x, order)
    else:
        rows = site.native(x)
    return site.emit("Flatten", [rows.value], (x.shape[0], math.prod(x.shape[1:])), (0, 1), axis=1)


def reshape(site: Site, x: Dynamic) -> Dynamic:
    """``Reshape``: native order; one dimension may be -1."""
    return reshaped(site, x, site.layer.target_shape)


def reshaped(site: Site, x: Dynamic, sizes: Sequence[int]) -> Dynamic:
    """Numbers of every sample laid out anew; ``sizes`` without the batch, one may be -1."""
    target = list(sizes)
    if -1 in target:
        target[target.index(-1)] = math.prod(x.shape[1:]) // -math.prod(target)
    rows = site.native(x)
    shape = (x.shape[0], *target)
    operand = site.numbers("shape", (0, *target))
    return site.emit("Reshape", [rows.value, operand], shape, range(len(shape)))


def permute(site: Site, x: Dynamic) -> Dynamic:
    """``Permute``: 1-based dims, the batch stays."""
    return transposed(site, x, (0, *(int(axis) for axis in site.layer.dims)))


def transposed(site: Site, x: Dynamic, order: Sequence[int]) -> Dynamic:
    """Native axes in another order."""
    rows = site.native(x)
    shape = tuple(x.shape[axis] for axis in order)
    return site.emit("Transpose", [rows.value], shape, range(len(shape)), perm=list(order))


def repeat_vector(site: Site, x: Dynamic) -> Dynamic:
    """``RepeatVector``: (N, C) -> (N, n, C)."""
    rows = site.native(x)
    single = (x.shape[0], 1, x.shape[1])
    lifted = site.emit("Unsqueeze", [rows.value, site.numbers("axes", (1,))], single, range(3))
    shape = (x.shape[0], int(site.layer.n), x.shape[1])
    return site.emit(
        "Tile", [lifted.value, site.numbers("repeats", (1, shape[1], 1))], shape, range(3)
    )


def zero_padding(site: Site, x: Dynamic) -> Dynamic:
    """``ZeroPadding1D/2D/3D``."""
    moved = images(site, x)
    widths = _pairs(site.layer.padding)
    shape = list(x.shape)
    for axis, (before, after) in zip(moved.perm[2:], widths, strict=True):
        shape[axis] += before + after
    pads = [0, 0, *(pair[0] for pair in widths), 0, 0, *(pair[1] for pair in widths)]
    return site.emit("Pad", [moved.value, site.numbers("pads", pads)], shape, moved.perm)


def cropping(site: Site, x: Dynamic) -> Dynamic:
    """``Cropping1D/2D/3D``."""
    moved = images(site, x)
    widths = _pairs(site.layer.cropping)
    sizes = [
        moved.shape[axis] - before - after
        for axis, (before, after) in zip(moved.perm[2:], widths, strict=True)
    ]
    return _cut(site, moved, [before for before, _ in widths], sizes)


def center_crop(site: Site, x: Dynamic) -> Dynamic:
    """``CenterCrop`` of images that are larger; smaller ones would be resized.

    Source: keras/src/layers/preprocessing/image_preprocessing/center_crop.py.
    """
    moved = images(site, x)
    sizes = [moved.shape[axis] for axis in moved.perm[2:]]
    wanted = [site.layer.height, site.layer.width]
    if any(size < small for size, small in zip(sizes, wanted, strict=True)):
        raise Unlowerable("it resizes what is smaller")
    starts = [(size - small) // 2 for size, small in zip(sizes, wanted, strict=True)]
    return _cut(site, moved, starts, wanted)


def _cut(site: Site, moved: Dynamic, starts: Sequence[int], sizes: Sequence[int]) -> Dynamic:
    """A part of images arranged as N, C, spatial axes."""
    shape = list(moved.shape)
    for axis, size in zip(moved.perm[2:], sizes, strict=True):
        shape[axis] = size
    operands = [
        site.numbers("starts", starts),
        site.numbers("ends", [start + size for start, size in zip(starts, sizes, strict=True)]),
        site.numbers("axes", list(range(2, len(shape)))),
    ]
    return site.emit("Slice", [moved.value, *operands], shape, moved.perm)


def _pairs(widths: Any) -> list[tuple[int, int]]:
    """Before and after an axis; the 1-D layers keep a bare pair."""
    items: Sequence[Any] = list(widths)
    if items and not isinstance(items[0], list | tuple):
        items = [items]
    return [(int(before), int(after)) for before, after in items]


RULES: dict[str, Rule] = {
    "Flatten": flatten,
    "Reshape": reshape,
    "Permute": permute,
    "RepeatVector": repeat_vector,
    "CenterCrop": center_crop,
    **dict.fromkeys([f"ZeroPadding{n}D" for n in (1, 2, 3)], zero_padding),
    **dict.fromkeys([f"Cropping{n}D" for n in (1, 2, 3)], cropping),
}
