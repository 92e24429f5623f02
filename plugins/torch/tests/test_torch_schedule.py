"""Learning rate policies, numbers worked out by hand from the frameworks' formulas."""

from __future__ import annotations

import math

import pytest

from prunus.errors import UsageError
from prunus.task import LearningRate
from prunus_torch.schedule import learning_rate


@pytest.mark.parametrize(
    ("policy", "iteration", "wanted"),
    [
        (LearningRate("fixed", 0.5), 7, 0.5),
        (LearningRate("step", 1.0, gamma=0.1, stepsize=3), 2, 1.0),
        (LearningRate("step", 1.0, gamma=0.1, stepsize=3), 6, 0.01),
        (LearningRate("exp", 1.0, gamma=0.5), 3, 0.125),
        (LearningRate("inv", 1.0, gamma=1.0, power=2.0), 3, 1 / 16),
        (LearningRate("multistep", 1.0, gamma=0.1, steps=(2, 4)), 1, 1.0),
        (LearningRate("multistep", 1.0, gamma=0.1, steps=(2, 4)), 2, 0.1),
        (LearningRate("multistep", 1.0, gamma=0.1, steps=(2, 4)), 9, 0.01),
        (LearningRate("poly", 1.0, power=2.0), 5, 0.25),
        (LearningRate("sigmoid", 1.0, gamma=2.0, stepsize=4), 4, 0.5),
        (LearningRate("cosine", 1.0), 5, 0.5),
        (LearningRate("cosine", 1.0), 0, 1.0),
    ],
)
def test_caffe(policy: LearningRate, iteration: int, wanted: float) -> None:
    assert learning_rate(policy, iteration, 10) == pytest.approx(wanted)


@pytest.mark.parametrize(
    ("policy", "iteration", "wanted"),
    [
        (LearningRate("constant", 0.5), 7, 0.5),
        (LearningRate("steps", 1.0, steps=(2, 4), scales=(0.1, 10.0)), 0, 1.0),
        (LearningRate("steps", 1.0, steps=(2, 4), scales=(0.1, 10.0)), 1, 0.1),
        (LearningRate("steps", 1.0, steps=(2, 4), scales=(0.1, 10.0)), 3, 1.0),
        (
            LearningRate("steps", 1.0, power=4.0, steps=(6,), scales=(0.1,), warm_up=4),
            0,
            (1 / 4) ** 4,
        ),
        (LearningRate("steps", 1.0, power=4.0, steps=(6,), scales=(0.1,), warm_up=4), 3, 1.0),
        (LearningRate("constant", 2.0, power=1.0, warm_up=4), 1, 1.0),
        (LearningRate("sig", 1.0, gamma=2.0, stepsize=4), 3, 0.5),
        (LearningRate("sig", 1.0, gamma=2.0, stepsize=4), 5, 1 / (1 + math.exp(4))),
        (LearningRate("poly", 1.0, power=2.0), 4, 0.25),
        (LearningRate("exp", 1.0, gamma=0.5), 2, 0.125),
        (LearningRate("step", 1.0, stepsize=3, scales=(0.1,)), 5, 0.01),
    ],
)
def test_darknet_counts_the_batch_it_applies(
    policy: LearningRate, iteration: int, wanted: float
) -> None:
    assert learning_rate(policy, iteration, 10, darknet=True) == pytest.approx(wanted)


def test_random_is_drawn_from_seed_and_iteration() -> None:
    policy = LearningRate("random", 1.0, power=1.0)
    rates = [learning_rate(policy, i, 10, seed=s) for s in (0, 1) for i in range(4)]
    assert rates == [learning_rate(policy, i, 10, seed=s) for s in (0, 1) for i in range(4)]
    assert len(set(rates)) == 8
    assert all(0 <= rate <= 1 for rate in rates)


def test_unknown_policies_name_the_known() -> None:
    with pytest.raises(UsageError) as caught:
        learning_rate(LearningRate("wavy"), 0, 1)
    assert str(caught.value) == (
        "learning rate policy 'wavy' is not known; use one of constant, cosine, exp, fixed, inv, "
        "multistep, poly, random, sig, sigmoid, step, steps"
    )
    with pytest.raises(UsageError, match=r"^Darknet has no policy 'inv'; use one of constant,"):
        learning_rate(LearningRate("inv"), 0, 1, darknet=True)
