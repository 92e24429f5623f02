"""Answers of a network before and after, on some of its samples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs
import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from prunus.errors import DataError
from prunus.evaluation.agreement import class_output
from prunus.evaluation.evaluator import Evaluator
from prunus.evaluation.session import Session
from prunus.report.answers import MOST, Classes, Confusion, changed_classes, confusion_of
from prunus.report.pictures import Picture, boxes_of, data_uri
from prunus.steps.loaded import Loaded
from prunus.task import Array, Batch, Dataset, NamedClasses, TruthMaker

_SAMPLES = 2000
"""Samples whose classes are counted, at most, unless their number is asked for."""

_PICTURES, _LOOKED_AT = 4, 16
"""Samples that are shown, and that they are chosen of."""


@attrs.frozen
class Answers:
    """What is shown of them; empty where a network is neither classifier nor detector."""

    confusion: Confusion | None = None
    classes: Classes | None = None
    pictures: tuple[Picture, ...] = ()
    samples: str = ""


def answers_of(evaluator: Evaluator, loaded: Loaded, smaller: ir.Model) -> Answers:
    """Run the original and the compact network.

    Args:
        evaluator: Samples; its reference is the original.
        loaded: The masked network.
        smaller: Its compact graph.
    """
    output = class_output(loaded.network)
    if output is not None:
        return _of_classes(evaluator, smaller, output)
    return _of_detections(evaluator, loaded, smaller)


def _of_classes(evaluator: Evaluator, smaller: ir.Model, output: str) -> Answers:
    if evaluator.samples is None:
        evaluator = attrs.evolve(evaluator, samples=_SAMPLES)
    sessions = [Session(evaluator.reference.model), Session(smaller)]
    found: list[list[Array]] = [[], []]
    labels: list[Any] = []
    total = 0
    for batch in evaluator.batches():
        for answers, session in zip(found, sessions, strict=True):
            scores = session.run(batch.inputs)[output]
            total = scores.shape[1]
            answers.append(scores.reshape(len(scores), total).argmax(1))
        labels.append(batch.labels)
    before, after = (np.concatenate(answers).astype(np.int64) for answers in found)
    known = all(np.ndim(one) == 1 and np.asarray(one).dtype.kind in "iu" for one in labels)
    samples = f"On {len(before):,} held-out samples."
    if known:
        truth, right = "label", np.concatenate(labels).astype(np.int64)
        first: Any = before
        if right.min() < 0 or right.max() >= total:
            return Answers()
    else:
        truth, right, first = "original network's answer", before, None
    if total <= MOST:
        return Answers(confusion_of(truth, right, first, after), samples=samples)
    return Answers(classes=changed_classes(truth, right, first, after, total), samples=samples)


def _of_detections(evaluator: Evaluator, loaded: Loaded, smaller: ir.Model) -> Answers:
    maker = loaded.network.task.metric
    if not isinstance(maker, TruthMaker) or len(loaded.network.model.graph.inputs) != 1:
        return Answers()
    seen = evaluator.data.read(_spread(evaluator), None)
    answers = maker.truth(Session(evaluator.reference.model).run(seen.inputs))
    if not _holds_boxes(answers, len(seen)):
        return Answers()
    chosen = sorted(sorted(range(len(seen)), key=lambda one: -len(answers[one]))[:_PICTURES])
    batch = evaluator.data.read(_spread(evaluator)[chosen], None)
    before = [answers[one] for one in chosen]
    after = maker.truth(Session(smaller).run(batch.inputs))
    if not _holds_boxes(after, len(batch)):
        return Answers()
    labels = batch.labels if _holds_boxes(batch.labels, len(batch)) else [()] * len(batch)
    try:
        images = [data_uri(values) for values in _images(loaded, batch)]
    except DataError:  # without Pillow there are no pictures
        return Answers()
    names = _names(evaluator.data)
    pictures = tuple(
        Picture(*image, *(boxes_of(np.asarray(found), names) for found in (old, new, truth)))
        for image, old, new, truth in zip(images, before, after, labels, strict=True)
    )
    samples = (
        f"Of {len(seen)} held-out samples the {len(pictures)} with most detections of the original."
    )
    return Answers(pictures=pictures, samples=samples)


def _names(data: Dataset) -> Sequence[str]:
    try:
        return data.names if isinstance(data, NamedClasses) else ()
    except DataError:  # of the file that holds them
        return ()


def _spread(evaluator: Evaluator) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    count = min(_LOOKED_AT, evaluator.count)
    return evaluator.positions[np.linspace(0, evaluator.count - 1, count).astype(np.int64)]


def _holds_boxes(found: Any, count: int) -> bool:
    return (
        isinstance(found, Sequence)
        and len(found) == count
        and all(np.ndim(one) == 2 and np.shape(one)[1] == 5 for one in found)
    )


def _images(loaded: Loaded, batch: Batch) -> list[NDArray[np.floating]]:
    """Inputs ``(N, C, H, W)`` as pictures, 0 to 255, red first."""
    values = batch.inputs[loaded.network.model.graph.inputs[0].name or ""]
    opened = loaded.network.task.preprocessing
    if opened is not None:
        way = opened()
        pixels = values / np.where(way.scale == 0, 1, way.scale) + way.mean
        return list(pixels[:, ::-1] if way.channels == "bgr" and pixels.shape[1] == 3 else pixels)
    low, high = float(values.min()), float(values.max())
    return list((values - low) * (255 / ((high - low) or 1)))
