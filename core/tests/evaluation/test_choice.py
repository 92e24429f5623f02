from __future__ import annotations

import attrs
import numpy as np
import pytest

from prunus.descriptors import Format
from prunus.errors import DataError, UsageError
from prunus.evaluation.choice import metric_for
from prunus.evaluation.data import ArrayDataset
from prunus.evaluation.metrics import Fidelity, Top
from prunus.task import Task

ONNX = Format("onnx", "ONNX models", lambda path: True)


def samples(labels=True):
    return ArrayDataset("data", np.zeros((6, 1, 12, 12)), np.zeros(6, np.int64) if labels else None)


def with_task(network, **task):
    return attrs.evolve(network, task=Task(**task))


def test_the_metric_that_is_not_asked_for(lenet):
    assert metric_for(ONNX, lenet, None, samples()) == Top(1)
    assert metric_for(ONNX, lenet, None, samples(labels=False)) == Fidelity()
    own = with_task(lenet, metric=Top(5, name="accuracy@5"))
    assert metric_for(ONNX, own, None, samples()).name == "accuracy@5"
    assert metric_for(ONNX, own, None, samples(labels=False)) == Fidelity()


def test_the_metric_that_is_asked_for(lenet):
    own = with_task(lenet, metric=Top(5, name="mine"))
    assert metric_for(ONNX, own, "mine", samples()).k == 5
    assert metric_for(ONNX, own, "top-2", samples()) == Top(2)
    with pytest.raises(UsageError) as caught:
        metric_for(ONNX, own, "top", samples())
    assert str(caught.value) == (
        "unknown metric 'top'; there are: top-K, accuracy, loss, fidelity, mine"
    )
    with pytest.raises(DataError) as caught:
        metric_for(ONNX, own, "top-1", samples(labels=False))
    assert str(caught.value) == (
        "metric 'top-1' needs labels and the data has none; use --metric fidelity"
    )
