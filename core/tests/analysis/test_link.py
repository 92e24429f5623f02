"""What a distance of outputs is expected to cost."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, strategies as st

from prunus.analysis.link import Link

NUMBERS = st.floats(1e-6, 1e3, allow_subnormal=False)


def test_plans_lie_on_it_where_losses_saturate():
    link = Link.of([(4.0, 0.6), (1.0, 0.25), (0.1, 0.03)])
    assert link.expected(np.array([0.0, 0.05, 0.1, 1.0, 4.0])) == pytest.approx(
        [0, 0.015, 0.03, 0.25, 0.6]
    )
    assert link.expected(np.array([8.0])) == pytest.approx([1.2])


def test_plans_of_few_changes_are_taken_together():
    """No change in one plan and many in the next: the mean of both, by distance."""
    link = Link.of([(0.1, 0.0), (0.3, 0.08)])
    assert link.expected(np.array([0.1, 0.3])) == pytest.approx([0.02, 0.06])


@given(st.lists(st.tuples(NUMBERS, st.floats(-1, 1, allow_subnormal=False)), max_size=6))
def test_the_farther_the_more(pairs):
    distances = np.geomspace(1e-9, 1e6, 50)
    losses = Link.of(pairs).expected(distances)
    assert (losses >= 0).all()
    assert (np.diff(losses) >= -1e-9).all()


def test_a_sure_measurement_counts_and_an_unsure_one_does_not():
    link = Link.of([(1.0, 0.2)])
    assert link.corrected(0.1, 0.01, 0.05, 1e-6) == pytest.approx((0.05, 1e-6))
    loss, error = link.corrected(0.1, 0.0, 0.0, 10.0)
    assert loss == pytest.approx(0.02, rel=1e-3)
    assert error == pytest.approx(0.01, rel=1e-3)
    assert link.corrected(0.1, 0.1, 0.0, 10.0)[1] == pytest.approx(
        0.02 * np.hypot(0.5, 1), rel=1e-3
    )


def test_without_plans_what_is_measured_stands():
    assert Link.of([]).corrected(0.1, 0.01, 0.07, 0.3) == (0.07, 0.3)
    assert Link.of([(0.0, 0.1), (np.inf, 1.0)]).corrected(0.1, 0.01, 0.07, 0.3) == (0.07, 0.3)


def test_plans_that_lose_nothing_on_few_samples_deny_no_measured_loss():
    link = Link.of([(0.1, 0.0), (0.3, 0.0), (0.5, -0.01)])
    assert link.corrected(0.2, 0.01, 0.4, 0.05) == (0.4, 0.05)
