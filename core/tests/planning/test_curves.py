from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from prunus.planning.curves import convex, expected_loss
from prunus.sensitivity import Curve, Point, Sensitivity
from prunus.task import Measurement


def measured(points, higher=True, baseline=1.0):
    """A curve of ten channels from (kept, value, error)."""
    curve = Curve("g", 10, tuple(Point(1 - k / 10, k, v, e) for k, v, e in points))
    return Sensitivity("m", higher, Measurement(baseline, 0.01), (curve,), {}), curve


def losses(points, kept, **options):
    found = measured(points, **options)
    return expected_loss(*found, np.array(kept)).tolist()


def test_points_are_met_and_joined_by_lines():
    points = [(8, 0.9, 0.01), (4, 0.5, 0.01)]
    assert losses(points, [10, 9, 8, 6, 4]) == pytest.approx([0, 0.05, 0.1, 0.3, 0.5])


def test_beyond_the_last_point_the_steepest_slope_goes_on():
    points = [(8, 0.8, 0.01), (4, 0.7, 0.01)]  # slopes 0.1 and 0.025 a channel
    assert losses(points, [3, 1]) == pytest.approx([0.3 + 0.1, 0.3 + 0.3])


def test_a_metric_that_should_be_small():
    assert losses([(5, 1.5, 0.01)], [10, 5], higher=False) == pytest.approx([0, 0.5])


def test_a_gain_stays_a_gain():
    assert losses([(8, 1.05, 0.01), (4, 0.6, 0.01)], [8])[0] < 0


def test_noise_is_levelled_by_its_standard_error():
    # a sure point of loss 0.2 and a very unsure one of 0.1 behind it: the sure one wins
    found = losses([(8, 0.8, 0.01), (6, 0.9, 0.1)], [8, 6])
    assert found[0] == pytest.approx(found[1])
    assert found[0] == pytest.approx(0.2, abs=0.01)


def test_a_curve_without_points_costs_nothing_known():
    assert losses([], [10, 5, 1]) == [0, 0, 0]


values = st.floats(-1, 1, allow_nan=False, allow_subnormal=False)


@settings(max_examples=50, deadline=None, derandomize=True)
@given(st.lists(values, min_size=1, max_size=9))
def test_losses_never_fall_with_fewer_channels(drawn):
    points = [(9 - index, value, 0.05) for index, value in enumerate(drawn)]
    assert (np.diff(losses(points, list(range(10, 0, -1)))) >= -1e-9).all()


@settings(max_examples=50, deadline=None, derandomize=True)
@given(st.lists(values, min_size=2, max_size=12))
def test_hulls_are_convex_and_below(drawn):
    loss = np.array(drawn)
    removed = np.arange(len(loss), dtype=float)
    hull = convex(removed, loss)
    assert (hull <= loss + 1e-12).all()
    assert (np.diff(hull, 2) >= -1e-9).all()
    assert hull[0] == loss[0]
    assert hull[-1] == loss[-1]


def test_a_hull_by_hand():
    found = convex(np.array([0.0, 1, 2, 4]), np.array([0.0, 5, 1, 2]))
    assert found.tolist() == [0, 0.5, 1, 2]


def test_errors_of_any_scale_weigh_the_same():
    points = [(8, 0.9, 1e-9), (6, 1.1, 1e-8), (4, 0.5, 1e-8)]
    large = [(kept, value, error * 1e200) for kept, value, error in points]
    usual = [(kept, value, error * 1e6) for kept, value, error in points]
    assert losses(large, [8, 6, 4]) == pytest.approx(losses(usual, [8, 6, 4]))
