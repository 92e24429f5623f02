"""Average precision of a detector: our own figures beside those of pycocotools."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence

import attrs
import numpy as np
from numpy.typing import NDArray
from pycocotools import coco
from pycocotools.cocoeval import COCOeval

from prunus.plugin import Dataset, Network, Session
from prunus_darknet.boxes.average_precision import COCO, COCO_50, VOC, MeanAveragePrecision
from prunus_darknet.boxes.head import heads_of
from prunus_darknet.boxes.suppression import Boxes, detect

SIDE = 1024.0
"""Pixels of the square on which pycocotools sees the boxes; overlaps do not depend on it."""


@attrs.frozen(eq=False)
class Precision:
    """Average precision of one network on one data set.

    Attributes:
        voc, coco, coco_50: Our means over classes.
        by_class: VOC's, class by class; nan where no true box is.
        theirs, theirs_50: pycocotools' means on the same detections.
    """

    voc: float
    coco: float
    coco_50: float
    by_class: NDArray[np.float64]
    theirs: float
    theirs_50: float


def precision(network: Network, data: Dataset) -> Precision:
    """Measure a network on all samples."""
    heads = heads_of(network)
    batch = data.read(np.arange(len(data)), None)
    session = Session(network.model)
    parts = [
        session.run({name: x[start : start + 16] for name, x in batch.inputs.items()})
        for start in range(0, len(batch), 16)
    ]
    outputs = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    metrics = [MeanAveragePrecision(heads, rules) for rules in (VOC, COCO, COCO_50)]
    seen = [[metric.observe(outputs, {}, batch.labels)] for metric in metrics]
    means = [metric.result(one).value for metric, one in zip(metrics, seen, strict=True)]
    found = [detect(heads, outputs, box) for box in range(len(batch))]
    theirs = by_pycocotools(found, batch.labels, heads[0].classes)
    return Precision(means[0], means[1], means[2], metrics[0].by_class(seen[0]), *theirs)


def by_pycocotools(
    found: Sequence[Boxes], truths: Sequence[NDArray[np.float32]], classes: int
) -> tuple[float, float]:
    """AP averaged over IoU 0.5 to 0.95, and at 0.5, by COCOeval."""
    images = range(1, len(found) + 1)
    objects = [
        {"image_id": image, "category_id": int(truth[0]), "bbox": _box(truth[1:]), "iscrowd": 0}
        for image, boxes in zip(images, truths, strict=True)
        for truth in boxes
    ]
    for number, row in enumerate(objects, start=1):
        row |= {"id": number, "area": row["bbox"][2] * row["bbox"][3]}
    results = [
        {"image_id": image, "category_id": int(kind), "bbox": _box(box), "score": float(score)}
        for image, boxes in zip(images, found, strict=True)
        for box, score, kind in zip(boxes.coordinates, boxes.scores, boxes.classes, strict=True)
    ]
    if not results:
        return 0.0, 0.0
    with contextlib.redirect_stdout(io.StringIO()):
        annotations = coco.COCO()
        annotations.dataset = {
            "images": [{"id": image} for image in images],
            "annotations": objects,
            "categories": [{"id": kind} for kind in range(classes)],
        }
        annotations.createIndex()
        judge = COCOeval(annotations, annotations.loadRes(results), "bbox")
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    return float(judge.stats[0]), float(judge.stats[1])


def _box(box: NDArray[np.floating]) -> list[float]:
    """Left, top, width, height in pixels from centre and size."""
    corner = box[:2] - box[2:] / 2
    return [float(x) for x in SIDE * np.concatenate([corner, box[2:]])]
