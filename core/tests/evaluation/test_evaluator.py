from __future__ import annotations

import attrs
import numpy as np
import pytest

from prunus.errors import DataError
from prunus.evaluation.data import ArrayDataset
from prunus.evaluation.evaluator import Evaluator
from prunus.evaluation.metrics import CrossEntropy, Fidelity, Top
from prunus.evaluation.session import Session


@pytest.fixture
def data(draw):
    samples = draw.standard_normal((23, 1, 12, 12)).astype(np.float32)
    return ArrayDataset("data", samples, draw.integers(0, 4, 23))


def evaluator(lenet, data, **options):
    return Evaluator(lenet, data, **{"metric": Top(1), "batch_size": 5, **options})


def test_a_batch_that_does_not_divide_counts_every_sample_once(lenet, data):
    scores = Session(lenet.model).run({"data": data.samples})["ip2"]
    right = (scores.argmax(1) == data.labels).sum()
    found = evaluator(lenet, data).measure(lenet.model)
    assert found.value * 23 == pytest.approx(right)
    for size in (1, 23, 64):
        again = evaluator(lenet, data, batch_size=size).measure(lenet.model)
        assert (again.value, again.error) == (found.value, found.error)


def test_answers_that_are_kept_keep_nothing_of_the_engine(lenet, data):
    for answers in evaluator(lenet, data).references:
        assert all(array.flags.owndata for array in answers.values())


@pytest.mark.parametrize(
    ("samples", "positions"),
    [(1, [0]), (2, [0, 22]), (3, [0, 11, 22]), (23, list(range(23))), (99, list(range(23)))],
)
def test_fewer_samples_are_spread_evenly(lenet, data, samples, positions):
    chosen = evaluator(lenet, data, samples=samples)
    assert chosen.positions.tolist() == positions
    seen = np.concatenate([batch.labels for batch in chosen.batches()])
    assert seen.tolist() == data.labels[positions].tolist()


def test_calibration_takes_from_the_chosen_samples(lenet, data):
    chosen = evaluator(lenet, data, samples=5)
    assert np.array_equal(chosen.calibration(2)["data"], data.samples[[0, 22]])
    assert np.array_equal(chosen.calibration()["data"], data.samples[chosen.positions])


def test_fidelity_is_to_the_reference(lenet, data):
    other = lenet.with_weights({"ip2/weight": lenet.weights()["ip2/weight"] * 0.5})
    judge = evaluator(lenet, data, metric=Fidelity())
    assert judge.baseline.value == 1
    assert judge.measure(other.model).value < 1
    assert evaluator(other, data, metric=Fidelity()).measure(other.model).value == 1


@pytest.mark.parametrize(("metric", "sign"), [(Top(1), 1), (CrossEntropy(), -1)])
def test_losses_have_the_metrics_direction(lenet, data, metric, sign):
    judge = evaluator(lenet, data, metric=metric)
    assert judge.loss_of(judge.baseline.value - 0.25) == pytest.approx(sign * 0.25)


def test_no_samples(lenet, data):
    with pytest.raises(DataError, match="^no samples: the data set is empty$"):
        evaluator(lenet, attrs.evolve(data, samples=data.samples[:0]))
