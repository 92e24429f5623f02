"""The next ratio to measure, and what lies between measured points."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, strategies as st

from prunus.analysis.anchors import Anchor, joined, last_trial, next_trial
from prunus.analysis.link import Link

LOCAL = np.array([0.01, 0.02, 0.04, 0.08, 0.16])
LINK = Link.of([(1.0, 0.5)])
"""Half the distance is lost."""


def searched(losses, knee):
    anchors = []
    while (trial := next_trial(len(losses), anchors, knee)) is not None:
        anchors.append(Anchor(trial, 1.0, losses[trial], 0.1))
    return [one.trial for one in anchors]


@given(
    st.lists(st.floats(0, 1, allow_subnormal=False), max_size=30),
    st.floats(0, 1, allow_subnormal=False),
)
def test_bisection_ends_at_the_knee(losses, knee):
    losses = sorted(losses)
    trials = searched(losses, knee)
    assert len(trials) == len(set(trials)) <= len(losses).bit_length()
    below = sum(loss <= knee for loss in losses)
    if losses:
        assert {below - 1, below} & set(trials) or not 0 < below < len(losses)


def test_the_middle_comes_first_then_the_side_of_the_knee():
    assert searched([0, 0, 0, 0, 0, 0, 0, 0, 0], 0.02) == [4, 7, 8]
    assert searched([1, 1, 1, 1, 1, 1, 1, 1, 1], 0.02) == [4, 2, 1, 0]


def test_the_distance_is_a_power_of_the_local_error():
    points = [Anchor(1, 0.2, 0.1, 0.01), Anchor(3, 1.6, 0.8, 0.08)]
    losses, errors = joined(LOCAL, points, LINK)
    assert losses == pytest.approx(
        np.array([0.1, 0.1, 0.1, 0.1, 0.1]) * 2.0 ** (1.5 * np.arange(-1, 4))
    )
    assert errors == pytest.approx(losses / 10)


def test_losses_are_corrected_at_measured_points_and_between_them():
    points = [Anchor(1, 0.2, 0.2, 0.01), Anchor(3, 0.8, 0.4, 0.02)]
    losses, _ = joined(LOCAL, points, LINK)
    assert losses == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.8])


def test_one_point_is_enough():
    losses, errors = joined(LOCAL, [Anchor(2, 0.4, 0.2, 0.1)], LINK)
    assert losses == pytest.approx([0.05, 0.1, 0.2, 0.4, 0.8])
    assert errors == pytest.approx(losses / 2)


def test_measured_points_stay_where_nothing_is_missing():
    losses, errors = joined(np.zeros(3), [Anchor(1, 0.0, 0.0, 0.1)], LINK)
    assert losses == pytest.approx(np.zeros(3), abs=1e-9)
    assert errors[1] == 0.1


@given(
    st.lists(st.floats(0, 1, allow_subnormal=False), min_size=1, max_size=9),
    st.lists(st.tuples(*[st.floats(0, 10, allow_subnormal=False)] * 3), min_size=1, max_size=9),
)
def test_losses_rise_with_the_ratio(local, measured):
    local = np.sort(local)
    trials = np.unique(np.linspace(0, len(local) - 1, min(len(measured), len(local))).astype(int))
    anchors = [Anchor(t, *one) for t, one in zip(trials.tolist(), measured, strict=False)]
    losses, errors = joined(local, anchors, LINK)
    assert (np.diff(losses) >= 0).all()
    assert np.isfinite(losses).all()
    assert np.isfinite(errors).all()
    assert (errors >= 0).all()


def test_the_last_trial_is_measured_where_no_loss_was_met():
    free = [Anchor(4, 0.1, 0.0, 0.0), Anchor(7, 0.2, 0.01, 0.0)]
    assert last_trial(9, free, 0.02) == 8
    assert last_trial(8, free, 0.02) is None
    assert last_trial(9, [*free, Anchor(6, 0.2, 0.03, 0.0)], 0.02) is None
    assert last_trial(0, [], 0.02) is None
