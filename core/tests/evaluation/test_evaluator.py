from __future__ import annotations

import attrs
import numpy as np
import pytest

from prunus.errors import DataError, ModelError, PluginError
from prunus.evaluation.agreement import Agreement
from prunus.evaluation.data import ArrayDataset
from prunus.evaluation.evaluator import Evaluator
from prunus.evaluation.metrics import CrossEntropy, Fidelity, Top
from prunus.evaluation.session import Session
from prunus.task import Measurement


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


def test_the_original_s_answers_are_read_once_for_many_networks(lenet, data, monkeypatch):
    truth, read = Top.truth, []
    monkeypatch.setattr(Top, "truth", lambda self, outputs: read.append(1) or truth(self, outputs))
    judge = evaluator(lenet, data, metric=Agreement(Top(1)))
    batch = data.read(np.arange(3), None)
    original = {"ip2": np.eye(3, 4, dtype=np.float32)}
    observe = judge.observer(original, batch)
    assert observe(original).tolist() == [1, 1, 1]
    assert observe({"ip2": np.roll(original["ip2"], 1, 1)}).tolist() == [0, 0, 0]
    assert len(read) == 1


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


@attrs.frozen
class Given(Top):
    """A metric that does what it is told to."""

    name: str = "heat"
    act: object = None
    give: object = 1

    def observe(self, outputs, reference, labels):
        return self.act() if self.act else 0

    def result(self, observations):
        return self.give


FLOATS = "instead of a Measurement of two floats: value and standard error"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (0.5, f"float 0.5 {FLOATS}"),
        (None, f"it returned None {FLOATS}"),
        (Measurement("high"), f"Measurement Measurement(value='high', error=0.0) {FLOATS}"),
        (Measurement(0.5, None), f"Measurement Measurement(value=0.5, error=None) {FLOATS}"),
    ],
)
def test_a_result_that_is_no_measurement(lenet, data, answer, said):
    for owner, named in (("acme 1.0", "metric 'heat' of acme 1.0"), (None, "metric 'heat'")):
        judge = evaluator(lenet, data, metric=Given(give=answer), owner=owner)
        with pytest.raises(PluginError) as caught:
            judge.measure(lenet.model)
        assert str(caught.value) == f"{named} gave no usable answer to result: {said}"


def test_a_result_of_other_floats_is_taken(lenet, data):
    judge = evaluator(lenet, data, metric=Given(give=Measurement(np.float32(0.5), 0)))
    found = judge.measure(lenet.model)
    assert (type(found.value), found.value, type(found.error)) == (float, 0.5, float)


def test_a_defect_in_a_metric_names_its_distribution(lenet, data):
    def fails():
        raise IndexError("no row 3")

    judge = evaluator(lenet, data, metric=Given(act=fails), owner="acme 1.0")
    with pytest.raises(PluginError) as caught:
        judge.measure(lenet.model)
    tail = "see --verbose, and report it to its authors"
    assert str(caught.value) == (
        f"metric 'heat' of acme 1.0 failed in observe: IndexError: no row 3; {tail}"
    )
    with pytest.raises(IndexError):
        evaluator(lenet, data, metric=Given(act=fails)).measure(lenet.model)


def test_an_error_that_a_metric_raises_on_purpose_passes(lenet, data):
    def refuses():
        raise ModelError("no boxes")

    with pytest.raises(ModelError, match="^no boxes$"):
        evaluator(lenet, data, metric=Given(act=refuses), owner="acme 1.0").measure(lenet.model)
