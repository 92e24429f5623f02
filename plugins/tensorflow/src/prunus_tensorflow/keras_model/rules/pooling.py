"""Pooling over windows and over all of space."""

from __future__ import annotations

from prunus_tensorflow.keras_model.rules.context import (
    Rule,
    Site,
    channels,
    images,
    last,
    shape_of,
    spatial,
)
from prunus_tensorflow.keras_model.rules.windows import window
from prunus_tensorflow.lower.tensors import Dynamic, Unlowerable


def _pool(op: str) -> Rule:
    def rule(site: Site, x: Dynamic) -> Dynamic:
        """TensorFlow's average leaves padding out of the count, as ONNX does by default."""
        layer = site.layer
        moved = images(site, x)
        ones = (1,) * len(spatial(moved))
        view = window(spatial(moved), layer.pool_size, layer.strides, ones, layer.padding)
        shape = shape_of(x.shape[0], channels(moved), view.sizes, last(layer))
        return site.emit(op, [moved.value], shape, moved.perm, **view.attributes())

    return rule


def _global(op: str) -> Rule:
    def rule(site: Site, x: Dynamic) -> Dynamic:
        layer = site.layer
        if site.keywords.get("mask") is not None:
            raise Unlowerable("it is called with a mask")
        moved = images(site, x)
        positions = list(range(2, len(x.shape)))
        count = channels(moved)
        if not layer.keepdims:
            shape: tuple[int, ...] = (x.shape[0], count)
            return site.emit(op, [moved.value], shape, (0, 1), axes=positions, keepdims=0)
        shape = shape_of(x.shape[0], count, [1] * len(positions), last(layer))
        return site.emit(op, [moved.value], shape, moved.perm, axes=positions, keepdims=1)

    return rule


RULES: dict[str, Rule] = {
    **dict.fromkeys([f"MaxPooling{n}D" for n in (1, 2, 3)], _pool("MaxPool")),
    **dict.fromkeys([f"AveragePooling{n}D" for n in (1, 2, 3)], _pool("AveragePool")),
    **dict.fromkeys([f"GlobalAveragePooling{n}D" for n in (1, 2, 3)], _global("ReduceMean")),
    **dict.fromkeys([f"GlobalMaxPooling{n}D" for n in (1, 2, 3)], _global("ReduceMax")),
}
