"""Average precision of every class of a detector."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import numpy as np

from prunus.plugin import (
    DataError,
    Evaluator,
    Host,
    Session,
    Settings,
    evaluation_data,
    load_from_settings,
)
from prunus_darknet.boxes.average_precision import RULES, VOC, collected
from prunus_darknet.data import DetectorDataset
from prunus_darknet.task import mean_average_precision


@attrs.frozen
class ClassRow:
    """One class.

    Attributes:
        name: From ``names=``, else its number.
        truths: True boxes.
        detections: Detections that count.
        value: Average precision; ``None`` without a true box.
    """

    name: str
    truths: int
    detections: int
    value: float | None


@attrs.frozen
class ClassTable:
    """Report of ``map``.

    Attributes:
        metric: Its name.
        value: Mean over the classes that have true boxes.
        samples: Images measured on.
        classes: All classes, in order.
        notes: Sentences for the user.
    """

    metric: str
    value: float
    samples: int
    classes: tuple[ClassRow, ...]
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"command": "map", **attrs.asdict(self)}


def class_table(host: Host, settings: Settings, report: Callable[[int, int], None]) -> ClassTable:
    """Measure a detector on its held-out images.

    Raises:
        DataError: there are none, or they have no boxes.
        UsageError: the network is no detector.
    """
    loaded = load_from_settings(host, settings)
    metric = mean_average_precision(loaded.network, RULES[settings.metric or VOC.name])
    data = evaluation_data(loaded, settings)
    if data is None:
        raise DataError("no images to measure on: give --data FILE.data")
    given = data.names if isinstance(data, DetectorDataset) else ()
    names = given or tuple(map(str, range(metric.classes)))
    evaluator = Evaluator(loaded.network, data, metric, settings.samples)
    session, seen = Session(loaded.network.model), []
    for number, batch in enumerate(evaluator.batches()):
        report(number * evaluator.batch_size, evaluator.count)
        seen.append(metric.observe(session.run(batch.inputs), {}, batch.labels))
    found, values = collected(seen), metric.by_class(seen)
    rows = [
        ClassRow(name, truths, detections, None if np.isnan(value) else value)
        for name, truths, detections, value in zip(
            names,
            found.truths.tolist(),
            np.bincount(found.classes, minlength=metric.classes).tolist(),
            values.tolist(),
            strict=True,
        )
    ]
    return ClassTable(
        metric.name,
        metric.result(seen).value,
        evaluator.count,
        tuple(rows),
        (*settings.notes, *loaded.network.notes),
    )
