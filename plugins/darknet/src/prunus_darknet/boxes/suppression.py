"""Detections of a sample: what all box-decoding layers predict, after non-maximum suppression.

Format facts: ``do_nms_sort`` and AlexeyAB's ``diounms_sort`` in ``src/box.c``;
``validate_detector`` in ``examples/detector.c`` (score above 0.005, overlap at most 0.45).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs
import numpy as np
from numpy.typing import NDArray

from prunus_darknet.boxes.decode import Array, predictions
from prunus_darknet.boxes.head import BoxHead
from prunus_darknet.boxes.iou import iou

SCORE = 0.005
"""Least score in Darknet's ``valid`` and ``map``."""
OVERLAP = 0.45
"""Largest overlap of two detections of a class in Darknet's ``valid`` and ``map``."""
_ROWS = 256
"""Boxes compared with all others at a time: bounds the memory."""


@attrs.frozen(eq=False)
class Boxes:
    """Detections of one sample, the surest first.

    Attributes:
        coordinates: ``(n, 4)`` centre x, centre y, width, height relative to the network input.
        scores: ``(n,)``.
        classes: ``(n,)`` int64.
    """

    coordinates: Array
    scores: Array
    classes: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.scores)

    def pick(self, positions: NDArray[np.int64]) -> Boxes:
        """Some of them."""
        return Boxes(self.coordinates[positions], self.scores[positions], self.classes[positions])


@attrs.frozen(eq=False)
class Candidates:
    """Boxes with a score for each class, as Darknet keeps them.

    Attributes:
        coordinates: ``(P, 4)`` centre x, centre y, width, height relative to the network input.
        scores: ``(P, classes)``; 0 for none.
    """

    coordinates: Array
    scores: Array

    def boxes(self) -> Boxes:
        """Every score above 0 as a detection of its own."""
        box, chosen = np.nonzero(self.scores)
        found = Boxes(self.coordinates[box], self.scores[box, chosen], chosen.astype(np.int64))
        return found.pick(np.argsort(-found.scores, kind="stable"))


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
    found = candidates(heads, outputs, sample, threshold)
    diou = heads[-1].settings["beta_nms"] if heads[-1].nms == "diounms" else None
    return suppressed(found, OVERLAP, diou).boxes()


def candidates(
    heads: Sequence[BoxHead],
    outputs: Mapping[str, NDArray[np.floating]],
    sample: int,
    threshold: float,
) -> Candidates:
    """All boxes of all layers with a score above the threshold (``get_network_boxes``)."""
    parts = [_candidates(head, outputs[head.output][sample], threshold) for head in heads]
    classes = max(head.classes for head in heads)
    scores = [np.pad(s, ((0, 0), (0, classes - s.shape[1]))) for s in (p.scores for p in parts)]
    return Candidates(np.concatenate([part.coordinates for part in parts]), np.concatenate(scores))


def _candidates(head: BoxHead, raw: NDArray[np.floating], threshold: float) -> Candidates:
    found = predictions(head, raw)
    if head.kind != "detection":  # Darknet asks only the scores of this one
        found = found.likely(threshold)
    scores = found.objectness[:, None] * found.classes
    scores[~(scores > threshold)] = 0
    kept = scores.any(1)
    return Candidates(found.boxes[kept], scores[kept])


def suppressed(found: Candidates, overlap: float, diou: float | None = None) -> Candidates:
    """Scores of boxes that overlap a surer one of the class by more than ``overlap`` become 0.

    All classes go down their own order of scores at once. A box that is kept overlaps no
    kept one, so striking out its row of overlaps never touches what was decided before.

    Args:
        found: Boxes in any order.
        overlap: Largest intersection over union.
        diou: ``beta_nms``: the overlap is lowered by (distance² / diagonal²) to this power;
            ``None`` for the plain overlap.
    """
    alive = (found.scores > 0).T
    order = np.argsort(-found.scores, axis=0, kind="stable")
    apart = _apart(found.coordinates, overlap, diou)
    for row in order[: int(alive.sum(1).max(initial=0))]:
        chosen = np.nonzero(alive[np.arange(len(row)), row])[0]
        alive[chosen] &= apart[row[chosen]]
    return Candidates(found.coordinates, np.where(alive.T, found.scores, 0))


def _apart(coordinates: Array, overlap: float, diou: float | None) -> NDArray[np.bool_]:
    """``(P, P)`` whether two boxes may stand beside each other; every box beside itself."""
    result = np.empty((len(coordinates), len(coordinates)), bool)
    for start in range(0, len(coordinates), _ROWS):
        rows = coordinates[start : start + _ROWS, None]
        shared = iou(rows, coordinates)
        if diou is not None:
            shared -= _distance(rows, coordinates) ** diou
        result[start : start + _ROWS] = ~(shared > overlap)
    np.fill_diagonal(result, True)
    return result


def _distance(first: Array, second: Array) -> Array:
    """Squared distance of centres over squared diagonal of the hull (``box_diounms``)."""
    low = np.minimum(first[..., :2] - first[..., 2:] / 2, second[..., :2] - second[..., 2:] / 2)
    high = np.maximum(first[..., :2] + first[..., 2:] / 2, second[..., :2] + second[..., 2:] / 2)
    diagonal = np.square(high - low).sum(-1)
    apart = np.square(first[..., :2] - second[..., :2]).sum(-1)
    return np.asarray(np.divide(apart, diagonal, out=np.zeros_like(apart), where=diagonal > 0))
