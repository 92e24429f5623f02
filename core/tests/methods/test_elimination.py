"""Greedy elimination agrees with refitting by least squares from scratch."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from prunus.methods.elimination import LeastSquares, elimination_costs


def problem(seed, units, width, outputs, others=0):
    """Some features may belong to no unit: a consumer that reads another group too."""
    draw = np.random.default_rng(seed)
    features = units * width + others
    rows = draw.standard_normal((200, features)) @ draw.standard_normal((features, features))
    blocks = draw.permutation(features)[: units * width].reshape(units, width)
    weights = draw.standard_normal((features, outputs))
    return LeastSquares(np.cov(rows.T, bias=True), weights, blocks)


def lost(problem, gone):
    """Share of variance no refit of the kept features gives, by the normal equations."""
    held = problem.products + np.eye(len(problem.products)) * (
        1e-3 * np.trace(problem.products) / len(problem.products)
    )
    kept = np.setdiff1d(np.arange(len(held)), problem.blocks[gone])
    wanted = problem.products @ problem.weights
    cross = held @ problem.weights
    whole = np.sum(problem.weights * cross)
    fitted = cross[kept] * np.linalg.solve(held[np.ix_(kept, kept)], cross[kept])
    return (whole - np.sum(fitted)) / np.sum(problem.weights * wanted)


@settings(deadline=None, max_examples=25)
@given(
    st.integers(0, 1000),
    st.integers(2, 6),
    st.integers(1, 3),
    st.integers(1, 4),
    st.integers(0, 5),
)
def test_costs_are_those_of_a_refit(seed, units, width, outputs, others):
    one = problem(seed, units, width, outputs, others)
    costs = elimination_costs([one])
    order = np.argsort(costs)
    for count in range(1, units):
        expected = lost(one, order[:count])
        assert costs[order[count - 1]] == pytest.approx(expected, rel=1e-5, abs=1e-9)


def test_of_many_units_several_go_at_once(draw):
    one = problem(0, 300, 1, 2)
    costs = elimination_costs([one])
    assert len(set(costs)) == 300
    first = np.argsort(costs)[:2]
    assert costs[first[1]] == pytest.approx(lost(one, first), rel=0.5)


def test_a_unit_that_follows_from_others_goes_first(draw):
    rows = draw.standard_normal((500, 4))
    rows[:, 2] = rows[:, 0] - rows[:, 1]
    products = np.cov(rows.T, bias=True)
    found = elimination_costs(
        [
            LeastSquares(
                products, np.array([[5, 2], [3, 9], [-4, 1], [7, 6.0]]), np.arange(4).reshape(4, 1)
            )
        ]
    )
    assert np.argmin(found) in (0, 1, 2)
    assert found.min() < 1e-2 < np.sort(found)[1]


def test_units_count_in_all_their_consumers():
    """Each consumer alone could lose one unit for nothing; together neither can."""
    both = np.eye(2)
    blocks = np.arange(2).reshape(2, 1)
    first = LeastSquares(both, np.array([[1.0], [0.0]]), blocks)
    second = LeastSquares(both, np.array([[0.0], [2.0]]), blocks)
    assert elimination_costs([first]) == pytest.approx([1, 0], abs=0.01)
    assert elimination_costs([first, second]) == pytest.approx([0.5, 1], abs=0.01)
