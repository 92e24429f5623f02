"""A trained Darknet detector made ready for other classes: cfg, anchors, first weights.

The cfg text is edited, not written anew. Weights of every layer whose shape stays are taken
over; the others (the heads) are drawn as ``make_convolutional_layer`` draws them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from prunus_darknet.cfg import read_cfg
from prunus_darknet.dialect import dialect_of
from prunus_darknet.records.layers import Blob, Layer, Structure
from prunus_darknet.records.structure import read_structure
from prunus_darknet.weights import open_weights, split_weights, stored_order, write_weights

Array = NDArray[np.float32]


def new_cfg(
    text: str, classes: int, anchors: NDArray[np.float64], net: Mapping[str, object]
) -> str:
    """Cfg text with other classes, anchors and ``[net]`` settings.

    Args:
        text: A cfg with ``[yolo]`` heads.
        classes: Number of classes.
        anchors: ``(num, 2)`` widths and heights in pixels of the network's input.
        net: Key -> value; keys that do not stand in ``[net]`` are added.
    """
    old = int(_value(text, "classes"))
    per_head = len(_value(text, "mask").split(","))
    text = _replaced(text, "classes", str(classes))
    before, after = (5 + old) * per_head, (5 + classes) * per_head
    text = re.sub(rf"^filters={before}$", f"filters={after}", text, flags=re.M)
    pairs = ",  ".join(f"{round(width)}, {round(height)}" for width, height in anchors)
    text = _replaced(text, "anchors", pairs)
    head, first, rest = text.partition("\n[convolutional]")
    for key, value in net.items():
        known = re.search(rf"^{key} *=", head, re.M) is not None
        head = _replaced(head, key, str(value)) if known else f"{head}{key}={value}\n"
    return head + first + rest


def _value(text: str, key: str) -> str:
    found = re.search(rf"^{key} *= *(.*?) *$", text, re.M)
    if found is None:
        raise SystemExit(f"the cfg has no {key}=")
    return found[1]


def _replaced(text: str, key: str, value: str) -> str:
    _value(text, key)
    return re.sub(rf"^({key} *= *).*$", rf"\g<1>{value}", text, flags=re.M)


def anchors_of(sizes: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """K-means of box sizes with 1 - IoU as distance (YOLOv2), by area, ``(count, 2)``.

    Args:
        sizes: ``(boxes, 2)`` widths and heights.
        count: Number of anchors.
    """
    ranks = (np.arange(count) + 0.5) / count * len(sizes)
    centres = sizes[np.argsort(sizes.prod(1), kind="stable")[ranks.astype(np.int64)]]
    for _ in range(100):
        inner = np.minimum(sizes[:, None], centres).prod(-1)
        union = sizes.prod(1)[:, None] + centres.prod(1) - inner
        nearest = (inner / union).argmax(1)
        moved = [
            np.median(sizes[nearest == cluster], 0)
            if (nearest == cluster).any()
            else centres[cluster]
            for cluster in range(count)
        ]
        if np.array_equal(moved, centres):
            break
        centres = np.array(moved)
    return centres[np.argsort(centres.prod(1))]


def write_transferred(
    old_cfg: Path, old_weights: Path, cfg: Path, weights: Path, seed: int = 0
) -> None:
    """Write first weights for ``cfg`` from a trained network of the same layers."""
    file = open_weights(old_weights)
    before = _structure(old_cfg, file.version)
    slots = split_weights(file, before, old_cfg)
    after = _structure(cfg, file.version)
    rng = np.random.default_rng(seed)

    def runs() -> Iterator[Array]:
        for layer in after.layers:
            for position, blob in enumerate(layer.blobs):
                held = slots[layer.index, position]
                same = held.shape == tuple(blob.shape)
                yield stored_order(held if same else drawn(layer, blob, rng), blob)

    write_weights(weights, file.header, runs())


def drawn(layer: Layer, blob: Blob, rng: np.random.Generator) -> Array:
    """First values of one run of weights."""
    if blob.role != "weight":
        return np.full(blob.shape, blob.role in ("scale", "variance"), np.float32)
    scale = np.sqrt(2 * layer.output.c / blob.size)
    return (scale * rng.uniform(-1, 1, blob.shape)).astype(np.float32)


def _structure(cfg: Path, version: tuple[int, int, int]) -> Structure:
    parsed = read_cfg(cfg)
    return read_structure(parsed, dialect_of(parsed, version, None))
