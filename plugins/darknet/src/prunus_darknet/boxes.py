"""Detections of a sample: what all box-decoding layers predict, after non-maximum suppression.

Format facts: ``do_nms_sort`` and AlexeyAB's ``diounms_sort`` in ``src/box.c``;
``validate_detector`` in ``examples/detector.c`` (score above 0.005, overlap at most 0.45).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs
import numpy as np
from numpy.typing import NDArray

from prunus_darknet.box_head import BoxHead
from prunus_darknet.decode import Array, predictions
from prunus_darknet.iou import iou

SCORE = 0.005
"""Least score in Darknet's ``valid`` and ``map``."""
OVERLAP = 0.45
"""Largest overlap of two detections of a class in Darknet's ``valid`` and ``map``."""


@attrs.frozen(eq=False)
class Boxes:
    """Detections of one sample, the surest first.

    Attributes:
        places: ``(n, 4)`` centre x, centre y, width, height relative to the network input.
        scores: ``(n,)``.
        classes: ``(n,)`` int64.
    """

    places: Array
    scores: Array
    classes: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.scores)

    def pick(self, positions: NDArray[np.int64]) -> Boxes:
        """Some of them."""
        return Boxes(self.places[positions], self.scores[positions], self.classes[positions])

    @staticmethod
    def joined(parts: Sequence[Boxes]) -> Boxes:
        """All of several parts, in order."""
        return Boxes(
            np.concatenate([part.places for part in parts]),
            np.concatenate([part.scores for part in parts]),
            np.concatenate([part.classes for part in parts]),
        )


def detect(
    heads: Sequence[BoxHead],
    outputs: Mapping[str, NDArray[np.floating]],
    sample: int,
    threshold: float = SCORE,
) -> Boxes:
    """Detections of one sample after suppression, as the last layer's cfg asks for it.

    Args:
        heads: The box-decoding layers of the network, at least one.
        outputs: Graph output name -> ``(N, C, h, w)``.
        sample: Position in the batch.
        threshold: Scores and objectness must be above it.
    """
    parts = [candidates(head, outputs[head.output][sample], threshold) for head in heads]
    diou = heads[-1].settings["beta_nms"] if heads[-1].nms == "diounms" else None
    return suppressed(Boxes.joined(parts), OVERLAP, diou)


def candidates(head: BoxHead, raw: NDArray[np.floating], threshold: float) -> Boxes:
    """One layer's boxes, once for each class whose score is above the threshold."""
    found = predictions(head, raw)
    if head.kind != "detection":  # Darknet asks only the scores of this one
        found = found.likely(threshold)
    scores = found.objectness[:, None] * found.classes
    box, chosen = np.nonzero(scores > threshold)
    return Boxes(found.boxes[box], scores[box, chosen], chosen.astype(np.int64))


def suppressed(found: Boxes, overlap: float, diou: float | None = None) -> Boxes:
    """Leave out what overlaps a surer detection of its class by more than ``overlap``.

    Args:
        found: Detections in any order.
        overlap: Largest intersection over union.
        diou: ``beta_nms``: the overlap is lowered by (distance² / diagonal²) to this power;
            ``None`` for the plain overlap.
    """
    found = found.pick(np.argsort(-found.scores, kind="stable"))
    kept = [
        place
        for chosen in np.unique(found.classes)
        for place in _survivors(found.places, np.nonzero(found.classes == chosen)[0], overlap, diou)
    ]
    return found.pick(np.sort(np.array(kept, np.int64)))


def _survivors(
    places: Array, order: NDArray[np.int64], overlap: float, diou: float | None
) -> list[int]:
    kept = []
    while len(order):
        first, order = order[0], order[1:]
        kept.append(int(first))
        shared = iou(places[first], places[order])
        if diou is not None:
            shared = shared - _distance(places[first], places[order]) ** diou
        order = order[~(shared > overlap)]
    return kept


def _distance(first: Array, others: Array) -> Array:
    """Squared distance of centres over squared diagonal of the hull (``box_diounms``)."""
    low = np.minimum(first[:2] - first[2:] / 2, others[:, :2] - others[:, 2:] / 2)
    high = np.maximum(first[:2] + first[2:] / 2, others[:, :2] + others[:, 2:] / 2)
    diagonal = np.square(high - low).sum(1)
    apart = np.square(first[:2] - others[:, :2]).sum(1)
    return np.asarray(np.divide(apart, diagonal, out=np.zeros_like(apart), where=diagonal > 0))
