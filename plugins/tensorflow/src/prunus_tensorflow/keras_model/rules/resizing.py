"""Changing the size of images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from prunus_tensorflow.keras_model.rules.context import (
    Rule,
    Site,
    channels,
    images,
    last,
    shape_of,
    spatial,
)
from prunus_tensorflow.lower.resizing import floored_scale
from prunus_tensorflow.lower.tensors import Dynamic, Unlowerable


def up_sampling(site: Site, x: Dynamic) -> Dynamic:
    """``UpSampling1D/2D/3D``: repeats pixels, or interpolates between their centres."""
    layer = site.layer
    moved = images(site, x)
    size = layer.size
    factors = tuple(size) if isinstance(size, list | tuple) else (size,) * len(spatial(moved))
    sizes = [before * factor for before, factor in zip(spatial(moved), factors, strict=True)]
    return _resize(site, moved, sizes, getattr(layer, "interpolation", "nearest"))


def resizing(site: Site, x: Dynamic) -> Dynamic:
    """``Resizing`` to a fixed size."""
    layer = site.layer
    plain = ("crop_to_aspect_ratio", "pad_to_aspect_ratio", "antialias")
    odd = [name for name in plain if getattr(layer, name, False)]
    if odd:
        raise Unlowerable(f"it has {odd[0]} set")
    return _resize(site, images(site, x), [layer.height, layer.width], layer.interpolation)


def _resize(site: Site, moved: Dynamic, sizes: Sequence[int], how: str) -> Dynamic:
    """Half-pixel centres; repeating by whole factors is the same with floored corners.

    Source: tensorflow/core/util/image_resizer_state.h.
    """
    if how not in ("nearest", "bilinear"):
        raise Unlowerable(f"its interpolation is '{how}'")
    before = spatial(moved)
    whole = all(after % old == 0 for old, after in zip(before, sizes, strict=True))
    scales = [1.0, 1.0, *(floored_scale(old, new) for old, new in zip(before, sizes, strict=True))]
    attributes = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}
    if how == "nearest":
        attributes = {
            "mode": "nearest",
            "coordinate_transformation_mode": "asymmetric" if whole else "half_pixel",
            "nearest_mode": "floor" if whole else "round_prefer_ceil",
        }
    shape = shape_of(moved.shape[0], channels(moved), sizes, last(site.layer))
    operands = [site.constant("roi", np.zeros(0)), site.constant("scales", np.asarray(scales))]
    return site.emit("Resize", [moved.value, *operands], shape, moved.perm, **attributes)


RULES: dict[str, Rule] = {
    **dict.fromkeys([f"UpSampling{n}D" for n in (1, 2, 3)], up_sampling),
    "Resizing": resizing,
}
