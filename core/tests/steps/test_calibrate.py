"""Calibration takes training inputs where it can and says where it cannot."""

from __future__ import annotations

import attrs
import numpy as np
import pytest

from prunus.errors import DataError
from prunus.evaluation.data import ArrayDataset
from prunus.evaluation.evaluator import Evaluator
from prunus.evaluation.metrics import Fidelity
from prunus.settings import Settings
from prunus.steps.calibrate import calibrate
from prunus.steps.loaded import Loaded
from prunus.task import Task


def images(count, value):
    return ArrayDataset("data", np.full((count, 1, 12, 12), value, np.float32))


def loaded(network, training):
    network = attrs.evolve(network, task=Task(training=training))
    return Loaded(network, None, None, None, None, {})


def broken():
    raise DataError("train_lmdb: no such file")


@pytest.fixture
def evaluator(lenet):
    return Evaluator(lenet, images(40, 2), Fidelity())


def test_the_networks_own_training_samples_come_first(lenet, evaluator):
    found = calibrate(loaded(lenet, lambda: images(5000, 1)), Settings(), evaluator)
    assert found.note is None
    assert found.inputs["data"].shape == (4096, 1, 12, 12)
    assert found.inputs["data"].max() == 1


def test_evaluation_samples_stand_in_and_it_is_said(lenet, evaluator):
    found = calibrate(loaded(lenet, None), Settings(), evaluator)
    assert found.inputs["data"].shape == (40, 1, 12, 12)
    assert found.note == (
        "no training samples are known: weights are compensated with 40 inputs of the evaluation, "
        "without labels; --train-data keeps them apart"
    )
    unreadable = calibrate(loaded(lenet, broken), Settings(), evaluator)
    assert unreadable.note.startswith(
        "the network's own training samples cannot be read (train_lmdb: no such file): weights"
    )


def test_without_any_samples(lenet):
    assert calibrate(loaded(lenet, None), Settings(), None).inputs is None
    assert calibrate(loaded(lenet, broken), Settings(), None).inputs is None


def test_named_training_samples_must_be_readable(lenet, evaluator):
    class Format:
        data = staticmethod(lambda spec, network, training: broken())

    with pytest.raises(DataError, match="train_lmdb: no such file"):
        calibrate(
            attrs.evolve(loaded(lenet, None), format=Format), Settings(train_data="x"), evaluator
        )
