from __future__ import annotations

import attrs
import numpy as np
import onnx_ir as ir
import pytest

import prunus
from prunus.errors import DataError, PlanError
from prunus.evaluation.data import ArrayDataset
from prunus.evaluation.evaluator import Evaluator
from prunus.evaluation.metrics import Fidelity
from prunus.evaluation.user_metric import UserMetric
from prunus.promise import Carried, Halves, halved, largest_within
from prunus.task import Measurement


@attrs.frozen
class Measured:
    """Half of the samples: loss of a plan by its rate, which stands for the network."""

    losses: dict
    count: int = 20
    looked: list = attrs.field(factory=list)

    def measure(self, rate):
        self.looked.append(rate)
        return Measurement(-self.losses(rate))

    def loss_of(self, value):
        return -value


def carried(rate):
    smaller = attrs.make_class("Compact", ["model"])(rate)
    return Carried({"rate": rate}, None, smaller)


def within(first, second, bound, most=1.0):
    halves = Halves(Measured(first), Measured(second))
    found, promise = largest_within(halves, most, bound, carried)
    return found.keep["rate"], promise, halves


@pytest.mark.parametrize("limit", [0.05, 0.31, 0.62, 0.9])
def test_the_largest_rate_is_found(limit):
    rate, promise, halves = within(lambda r: r, lambda r: r, limit)
    assert limit - 0.01 <= rate <= limit
    assert promise.loss == rate
    assert (promise.samples, promise.chosen_on, promise.looks) == (20, 20, 1)
    assert len(halves.choosing.looked) < 10


def test_what_the_other_samples_do_not_confirm_is_not_promised():
    """There the loss is a tenth higher: smaller rates are tried until one is within it."""
    rate, promise, halves = within(lambda r: r, lambda r: r + 0.1, 0.5)
    assert rate <= 0.4
    assert promise.loss == rate + 0.1 <= 0.5
    assert promise.looks == len(halves.checking.looked) > 1


def test_no_rate_above_the_most_is_tried():
    rate, _, halves = within(lambda r: 0.0, lambda r: 0.0, 0.1, most=0.6)
    assert 0.59 <= rate <= 0.6
    assert max(halves.choosing.looked) <= 0.6


@pytest.mark.parametrize("second", [0.0, 9.0])
def test_a_bound_that_no_rate_keeps(second):
    first = (lambda r: 0.5) if not second else (lambda r: 0.0)
    with pytest.raises(PlanError) as caught:
        within(first, lambda r: second, 0.1)
    said = str(caught.value)
    assert said.startswith("max-loss 0.1 is out of reach: rate 0.")
    assert said.endswith(
        "; allow more, give more samples, or finetune between rounds ('prunus run --max-loss')"
    )


def test_the_halves_share_no_sample(lenet, draw):
    data = ArrayDataset("data", draw.standard_normal((41, 1, 12, 12)).astype(np.float32))
    halves = halved(Evaluator(lenet, data, Fidelity()))
    first, second = (half.calibration(41)["data"] for half in (halves.choosing, halves.checking))
    assert len(first) + len(second) == 41
    assert not {a.tobytes() for a in first} & {a.tobytes() for a in second}


def test_few_samples_and_samples_of_a_metric_cannot_be_halved(lenet, draw):
    data = ArrayDataset("data", draw.standard_normal((31, 1, 12, 12)).astype(np.float32))
    with pytest.raises(DataError) as caught:
        halved(Evaluator(lenet, data, Fidelity()))
    assert str(caught.value) == (
        "31 samples are too few for a bound of the loss: half of them choose and half check; give "
        "32 at least"
    )
    with pytest.raises(DataError) as caught:
        halved(Evaluator(lenet, data, UserMetric("m:f", lambda predict: 1.0)))
    assert str(caught.value) == (
        "metric 'm:f' brings its own samples: none can be kept from choosing, as a bound of the "
        "loss needs; use a metric of 'prunus methods'"
    )


@pytest.fixture
def saved(lenet, tmp_path):
    ir.save(lenet.model, tmp_path / "net.onnx")
    return prunus.load(tmp_path / "net.onnx")


def inputs(draw, count):
    return draw.standard_normal((count, 1, 12, 12)).astype(np.float32)


def test_a_plan_within_a_bound_loses_no_more_on_either_half(saved, draw):
    held = inputs(draw, 64)
    options = {"allocation": "uniform", "metric": "fidelity", "data": inputs(draw, 64)}
    rates = []
    for bound in (0.01, 0.3):
        plan = prunus.plan(saved, max_loss=bound, held_out=held, **options)
        masked = prunus.prune(saved, plan, data=options["data"])
        assert 1 - prunus.evaluate(masked, held, metric="fidelity").value <= bound + 1e-6
        assert plan.budget.max_loss == bound
        rates.append(plan.rate)
    assert 0 < rates[0] < rates[1]
    again = prunus.plan(saved, max_loss=0.3, held_out=held, **options)
    assert again.to_json() == plan.to_json()


def test_a_rate_that_loses_too_much_says_which_one_does_not(saved, draw):
    options = {"allocation": "uniform", "metric": "fidelity", "held_out": inputs(draw, 64)}
    with pytest.raises(PlanError) as caught:
        prunus.plan(saved, rate=0.8, max_loss=0.05, **options)
    assert str(caught.value).startswith("rate 0.8 loses 0.")
    assert ", more than max-loss 0.05; rate 0." in str(caught.value)
    assert str(caught.value).endswith(" is within it: ask for less, or allow more")
    plan = prunus.plan(saved, rate=0.2, max_loss=0.9, **options)
    assert plan.rate == pytest.approx(0.2, rel=0.03)  # whole channels in multiples of 2
