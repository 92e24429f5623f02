"""Held-out samples choose among the states of a compensation."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest

from prunus.evaluation.random_inputs import random_inputs
from prunus.grouping import find_groups
from prunus.recovery.held_out import Judge, split


def test_every_eighth_sample_is_held_out():
    fitted, judged = split({"x": np.arange(64)})
    assert judged["x"].tolist() == list(range(7, 64, 8))
    assert sorted([*fitted["x"], *judged["x"]]) == list(range(64))


def test_every_fourth_of_few_samples_is_held_out():
    fitted, judged = split({"x": np.arange(30)})
    assert judged["x"].tolist() == list(range(3, 30, 4))
    assert len(fitted["x"]) == 23


def test_all_of_very_few_samples_are_fitted_and_no_more_than_256_held_out():
    fitted, judged = split({"x": np.arange(15)})
    assert len(fitted["x"]) == 15
    assert judged is None
    assert len(split({"x": np.arange(5000)})[1]["x"]) <= 256


def test_the_nearest_state_is_used(lenet):
    judge = Judge(lenet, find_groups(lenet), {}, random_inputs(lenet.model, 16, 0))
    bias = lenet.weights()["ip2/bias"]
    offsets = (1.0, 0.1, -3.0, np.nan)
    states = [{"ip2/bias": bias + off} for off in offsets]
    assert judge.nearest(states) is states[1]
    assert judge.number_of_nearest(states) == 1
    assert judge.nearest(states[3:]) is states[3]


@pytest.mark.parametrize(
    ("ask", "large", "held"),
    [("nearest", 1 << 40, 1), ("nearest", 0, 0), ("number_of_nearest", 1 << 40, 0)],
)
def test_no_more_than_the_nearest_and_the_last_state_are_held(lenet, monkeypatch, ask, large, held):
    """Of large weights, and where the number is asked for, not even the nearest."""
    monkeypatch.setattr("prunus.recovery.set_aside._LARGE", large)
    judge = Judge(lenet, find_groups(lenet), {}, random_inputs(lenet.model, 16, 0))
    bias = lenet.weights()["ip2/bias"]
    made = []

    def states():
        for off in (3.0, 0.1, 2.0, 1.0):
            gc.collect()  # copies of a small graph wait for Python's own collection
            assert sum(one() is not None for one in made) <= held
            array = bias + np.float32(off)
            made.append(weakref.ref(array))
            yield {"ip2/bias": array}
            del array

    found = getattr(judge, ask)(states())
    if ask == "nearest":
        np.testing.assert_array_equal(found["ip2/bias"], bias + np.float32(0.1))
    else:
        assert found == 1
