"""Answers of two detectors compared box by box, and the places of the boxes.

The distance is the loss of a detector trained by another one: Kullback-Leibler divergence of the
scores, box by box and class by class, and the overlap that boxes miss, by their objectness.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from prunus_darknet.boxes.decode import Array, predictions
from prunus_darknet.boxes.head import BoxHead
from prunus_darknet.boxes.iou import iou

_TINY = 1e-6
"""Least probability, and least distance from one, whose logarithm is taken."""

_SEEN = 0.05
"""Objectness from which on a box marks its place."""

_GRID = 32
"""Cells of the grid of places, along each side."""


def distances(
    heads: Sequence[BoxHead], outputs: Mapping[str, Any], reference: Mapping[str, Any]
) -> Array:
    """``(N,)`` distance of every sample's answers from those of the original network, in nats."""
    count = len(reference[heads[0].output])
    found = np.zeros(count)
    with np.errstate(over="ignore", invalid="ignore"):  # a broken network's endless boxes
        for head in heads:
            pairs = zip(outputs[head.output], reference[head.output], strict=True)
            found += [_distance(head, *pair) for pair in pairs]
    return found


def _distance(head: BoxHead, raw: Any, wanted: Any) -> float:
    own, original = predictions(head, raw), predictions(head, wanted)
    p, q = (
        np.clip(one.objectness[:, None] * one.classes, _TINY, 1 - _TINY) for one in (original, own)
    )
    scores = np.sum(p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q)))
    missed = np.sum(original.objectness * (1 - iou(own.boxes, original.boxes)))
    return float(scores + missed)


def places(heads: Sequence[BoxHead], outputs: Mapping[str, Any]) -> Array:
    """``(N, 32, 32)`` objectness of the surest box that covers a cell of the network's input."""
    count = len(outputs[heads[0].output])
    grid = np.zeros((count, _GRID, _GRID))
    for sample, cells in enumerate(grid):
        for head in heads:
            found = predictions(head, outputs[head.output][sample]).likely(_SEEN)
            for box, objectness in zip(found.boxes, found.objectness, strict=True):
                low, high = box[:2] - box[2:] / 2, box[:2] + box[2:] / 2
                left, top = np.clip(np.floor(low * _GRID), 0, _GRID - 1).astype(int)
                right, bottom = np.clip(np.ceil(high * _GRID), 1, _GRID).astype(int)
                covered = cells[top:bottom, left:right]
                np.maximum(covered, min(objectness, 1.0), out=covered)
    return grid
