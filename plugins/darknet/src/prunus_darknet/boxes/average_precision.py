"""Mean average precision of a detector, as VOC and as COCO define it.

Boxes are compared relative to the network's input, where both the decoded boxes and the
labels of `prunus_darknet.data` lie: overlaps do not change when an axis is stretched or
moved, and mapping detections back to the image would only add the rounding of
``correct_yolo_boxes``, which puts the image half a pixel beside its position in the letterbox.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from prunus.plugin import DataError, Measurement
from prunus_darknet.boxes.answers import distances, places
from prunus_darknet.boxes.head import BoxHead
from prunus_darknet.boxes.matching import Array, Hits, match_coco, match_voc
from prunus_darknet.boxes.suppression import Boxes, detect


@attrs.frozen
class Rules:
    """Average precision as one benchmark defines it.

    Attributes:
        name: Name of the metric.
        overlaps: Least overlaps, averaged over.
        recalls: Where precision is read.
        match: Which detections of an image and class are hits.
        most: Detections of a class that count in an image; ``None`` for all.
    """

    name: str
    overlaps: tuple[float, ...]
    recalls: tuple[float, ...]
    match: Callable[[Array, Array, Array], Hits]
    most: int | None = None


SHOWN = 0.25
"""Least score of a detection that counts as an object where labels are missing: from it on
AlexeyAB's Darknet shows boxes."""

_ELEVEN = tuple(point / 10 for point in range(11))
_HUNDRED = tuple(np.linspace(0, 1, 101).tolist())  # pycocotools' own floats decide ties
VOC = Rules("map", (0.5,), _ELEVEN, match_voc)
COCO = Rules("map-coco", tuple(np.linspace(0.5, 0.95, 10).tolist()), _HUNDRED, match_coco, 100)
COCO_50 = Rules("map50-coco", (0.5,), _HUNDRED, match_coco, 100)
RULES = {rules.name: rules for rules in (VOC, COCO, COCO_50)}


@attrs.frozen(eq=False)
class Found:
    """Contribution of some images; their detections lie one after another.

    Attributes:
        scores, classes: ``(n,)`` of the detections.
        hits: ``(T, n)``.
        truths: ``(classes,)`` numbers of true boxes.
    """

    scores: Array
    classes: NDArray[np.int64]
    hits: Hits
    truths: NDArray[np.int64]


@attrs.frozen
class MeanAveragePrecision:
    """Mean over classes of average precision; classes without a true box do not count.

    Its standard error is given as 0: it is no mean over images.

    Attributes:
        heads: Box-decoding layers of the network.
        rules: Whose definition.
    """

    heads: tuple[BoxHead, ...]
    rules: Rules = VOC
    higher_is_better: bool = True
    needs_labels: bool = True

    @property
    def name(self) -> str:
        """As the user calls it."""
        return self.rules.name

    @property
    def classes(self) -> int:
        """Number of classes the network tells apart."""
        return max(head.classes for head in self.heads)

    def observe(
        self, outputs: Mapping[str, Any], reference: Mapping[str, Any], labels: Any
    ) -> dict[str, Any]:
        """The fields of `Found` by name.

        Raises:
            DataError: labels are no boxes, or of classes the network does not know.
        """
        truths = boxes_of(labels, self.classes, self.name)
        with np.errstate(over="ignore", invalid="ignore"):  # a broken network's endless boxes
            images = [
                match(self.rules, detect(self.heads, outputs, position), boxes, self.classes)
                for position, boxes in enumerate(truths)
            ]
        return attrs.asdict(joined(images), recurse=False)

    def truth(self, outputs: Mapping[str, Any]) -> list[Array]:
        """The network's own detections as true boxes, one ``(boxes, 5)`` array a sample."""
        count = len(outputs[self.heads[0].output])
        with np.errstate(over="ignore", invalid="ignore"):  # a broken network's endless boxes
            found = [detect(self.heads, outputs, position, SHOWN) for position in range(count)]
        return [np.column_stack([boxes.classes, boxes.coordinates]) for boxes in found]

    def distance(self, outputs: Mapping[str, Any], reference: Mapping[str, Any]) -> Array:
        """``(N,)`` how far detections are from the original network's (`distances`)."""
        return distances(self.heads, outputs, reference)

    def places(self, outputs: Mapping[str, Any]) -> Array:
        """``(N, h, w)`` places of the boxes (`places`)."""
        return places(self.heads, outputs)

    def result(self, observations: Sequence[Mapping[str, Any]]) -> Measurement:
        """Mean over the classes that occur.

        Raises:
            DataError: there is no true box at all.
        """
        found = self.by_class(observations)
        if np.isnan(found).all():
            raise DataError(
                f"metric {self.name}: no true box in any of the samples; "
                "label files lie in labels/ where the images lie in images/"
            )
        return Measurement(float(np.nanmean(found)))

    def by_class(self, observations: Sequence[Mapping[str, Any]]) -> Array:
        """``(classes,)`` average precision; nan where no true box is."""
        return average_precision(self.rules, collected(observations))


def collected(observations: Sequence[Mapping[str, Any]]) -> Found:
    """Everything the observations of a `MeanAveragePrecision` hold."""
    return joined([Found(**one) for one in observations])


def boxes_of(labels: Any, classes: int, metric: str) -> list[Array]:
    """Labels as one ``(boxes, 5)`` array a sample.

    Raises:
        DataError: they are none, or name a class that is not there.
    """
    wanted = f"metric {metric} needs boxes (class, centre x, centre y, width, height)"
    if labels is None:
        raise DataError(f"{wanted}; the data set has no labels, use --metric fidelity")
    arrays = [np.asarray(boxes, np.float64) for boxes in labels]
    if any(boxes.ndim != 2 or boxes.shape[1] != 5 for boxes in arrays):
        raise DataError(f"{wanted}; its labels are none, use --metric fidelity")
    named = np.concatenate([np.empty(0), *(boxes[:, 0] for boxes in arrays)])
    unknown = named[(named < 0) | (named >= classes)]
    if len(unknown):
        raise DataError(
            f"a label has class {int(unknown[0])}, the network knows {classes} (from 0)"
        )
    return arrays


def match(rules: Rules, found: Boxes, truths: Array, classes: int) -> Found:
    """Compare the detections of one image with its true boxes ``(boxes, 5)``."""
    overlaps = np.array(rules.overlaps)
    kept = np.zeros(len(found), bool)
    hits = np.zeros((len(overlaps), len(found)), bool)
    own = truths[:, 0].astype(np.int64)
    for chosen in np.unique(found.classes):
        order = np.nonzero(found.classes == chosen)[0][: rules.most]
        kept[order] = True
        hits[:, order] = rules.match(found.coordinates[order], truths[own == chosen, 1:], overlaps)
    counts = np.bincount(own, minlength=classes)
    return Found(found.scores[kept], found.classes[kept], hits[:, kept], counts)


def joined(parts: Sequence[Found]) -> Found:
    """All images of several parts, in order."""
    return Found(
        np.concatenate([part.scores for part in parts]),
        np.concatenate([part.classes for part in parts]),
        np.concatenate([part.hits for part in parts], 1),
        np.sum([part.truths for part in parts], 0),
    )


def average_precision(rules: Rules, found: Found) -> Array:
    """``(classes,)`` average precision, mean over overlaps; nan without true boxes."""
    recalls = np.array(rules.recalls)
    result = np.full(len(found.truths), np.nan)
    for chosen in np.nonzero(found.truths)[0]:
        own = np.nonzero(found.classes == chosen)[0]
        order = own[np.argsort(-found.scores[own], kind="stable")]
        count = int(found.truths[chosen])
        result[chosen] = np.mean(
            [precision_at(row, count, recalls) for row in found.hits[:, order]]
        )
    return result


def precision_at(hits: Hits, count: int, recalls: Array) -> Array:
    """Best precision at or beyond each recall, 0 beyond the last one reached.

    Args:
        hits: ``(n,)`` the surest first.
        count: Number of true boxes, at least 1.
        recalls: ``(R,)`` rising.
    """
    right = np.cumsum(hits)
    precision = right / np.arange(1, len(hits) + 1)
    best = np.maximum.accumulate(precision[::-1])[::-1]
    positions = np.searchsorted(right / count, recalls, side="left")
    return np.asarray(np.append(best, 0.0)[positions])
