"""Which detections of one image hit a true box, by the rules of VOC and of COCO.

Sources: VOCdevkit's ``VOCevaldet.m`` with Darknet's ``validate_detector_map`` (the best
true box of the class counts, and only once) and ``COCOeval.evaluateImg`` of pycocotools (the
best true box that is still free counts).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from prunus_darknet.boxes.iou import iou

Array = NDArray[np.float64]
Hits = NDArray[np.bool_]


def match_voc(coordinates: Array, truths: Array, overlaps: Array) -> Hits:
    """Hits of one class: the best true box is above the overlap and nobody surer took it.

    Args:
        coordinates: ``(n, 4)`` boxes, the surest first.
        truths: ``(m, 4)`` true boxes.
        overlaps: ``(T,)`` least overlaps.

    Returns:
        ``(T, n)``.
    """
    if not len(coordinates) or not len(truths):
        return np.zeros((len(overlaps), len(coordinates)), bool)
    shared = iou(coordinates[:, None], truths)
    best = shared.argmax(1)
    hits: Hits = shared.max(1) > overlaps[:, None]
    for row in hits:
        near = np.nonzero(row)[0]
        _, first = np.unique(best[near], return_index=True)
        row[np.delete(near, first)] = False
    return hits


def match_coco(coordinates: Array, truths: Array, overlaps: Array) -> Hits:
    """Hits of one class: some true box that is still free is at or above the overlap.

    Arguments and result as of `match_voc`; of equally good true boxes the last is taken.
    """
    hits = np.zeros((len(overlaps), len(coordinates)), bool)
    if not len(coordinates) or not len(truths):
        return hits
    least = np.minimum(overlaps, 1 - 1e-10)[:, None]
    free = np.ones((len(overlaps), len(truths)), bool)
    rows, last = np.arange(len(overlaps)), len(truths) - 1
    for position, shared in enumerate(iou(coordinates[:, None], truths)):
        if shared.max() < least[0]:
            continue
        usable = np.where(free & (shared >= least), shared, -1)
        chosen = last - usable[:, ::-1].argmax(1)
        hits[:, position] = usable[rows, chosen] >= 0
        free[rows, chosen] &= ~hits[:, position]
    return hits
