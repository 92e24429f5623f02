"""Variance that no weights of the kept features give back, against least squares of each plan."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from prunus.recovery.missing import missing_shares


def case(seed, features=8, outputs=3):
    draw = np.random.default_rng(seed)
    rows = draw.standard_normal((60, features)) @ draw.standard_normal((features, features))
    return rows, rows.T @ rows / 60, draw.standard_normal((features, outputs))


def by_least_squares(rows, outputs, kept):
    wanted = rows @ outputs
    left = wanted - rows[:, kept] @ np.linalg.lstsq(rows[:, kept], wanted)[0]
    return np.sum(left**2) / np.sum(wanted**2)


@settings(deadline=None)
@given(st.integers(0, 1000), st.lists(st.integers(0, 255), min_size=1, max_size=6))
def test_shares_are_those_of_least_squares(seed, plans):
    """Plans in any order; some keep what others remove."""
    rows, products, outputs = case(seed)
    kept = np.array([[plan >> bit & 1 for bit in range(8)] for plan in plans], bool)
    expected = [by_least_squares(rows, outputs, one) for one in kept]
    assert missing_shares(products, outputs, kept) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("value", [np.inf, np.nan])
def test_without_finite_numbers_all_is_missing(value):
    _, products, outputs = case(0)
    products[0, 0] = value
    kept = np.ones((2, 8), bool)
    kept[1, 3] = False
    assert missing_shares(products, outputs, kept) == [1.0, 1.0]
