"""Sums over rows, whole and in parts."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from prunus.recovery.moments import Gathering, Moments, held_by_ridge, together


def test_sums_of_parts_are_those_of_the_whole(draw):
    x, y = draw.standard_normal((90, 4)), draw.standard_normal((90, 3))
    whole, parts = Moments.of(x, y), Moments.of(x[:40], y[:40]) + Moments.of(x[40:], y[40:])
    assert parts.count == 90
    for name in ("features", "products", "missing", "crossed"):
        assert np.allclose(getattr(whole, name), getattr(parts, name))


def test_a_weight_of_a_row_counts_as_so_many_rows(draw):
    x, y = (draw.standard_normal((30, size)).astype(np.float32) for size in (4, 3))
    times = draw.integers(0, 4, 30)
    weighted = Moments.of(x, y, times.astype(np.float32))
    repeated = Moments.of(np.repeat(x, times, 0), np.repeat(y, times, 0))
    assert weighted.count == repeated.count
    for name in ("features", "products", "missing", "crossed"):
        assert np.allclose(getattr(weighted, name), getattr(repeated, name), atol=1e-4)


@pytest.mark.parametrize("weighted", [False, True])
def test_small_pieces_give_the_sums_of_all_rows(draw, weighted):
    """Enough of them to be multiplied twice: 2,000 rows of 600 numbers."""
    x = draw.standard_normal((2000, 600)).astype(np.float32)
    weights = draw.random(2000).astype(np.float32) if weighted else None
    gathering = Gathering(2**19)
    for start in range(0, 2000, 90):
        rows = slice(start, start + 90)
        gathering.add(x[rows], None if weights is None else weights[rows])
    found, whole = gathering.total(), Moments.of(x, x[:, :0], weights)
    assert found.count == pytest.approx(whole.count)
    assert np.allclose(found.products, whole.products, atol=1e-2)
    assert np.allclose(found.features, whole.features, atol=1e-3)


def test_no_rows_have_no_sums():
    assert Gathering(1).total() is None


def test_rows_of_none_change_nothing(draw):
    some = Moments.of(draw.standard_normal((5, 2)), draw.standard_normal((5, 1)))
    assert together(None, some) is some
    assert together(some, None) is some
    assert together(None, None) is None


def test_numbers_too_large_are_told_by_no_warning():
    """Infinite sums of opposite signs add up to none."""
    large = np.full((2, 1), 3e38, np.float32)
    one, other = (Moments.of(large, sign * large) for sign in (1, -1))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isnan((one + other).crossed).all()


@pytest.mark.parametrize("centred", [False, True])
def test_inner_products_are_those_of_the_rows(draw, centred):
    x = draw.standard_normal((50, 3)) + 2
    rows = x - x.mean(0) if centred else x
    assert np.allclose(Moments.of(x, x[:, :0]).inner(centred), rows.T @ rows / 50)


def test_a_ridge_leaves_the_products_as_they_are(draw):
    products = np.diag([1.0, 2.0, 6.0])
    assert np.allclose(held_by_ridge(products, 0.1), np.diag([1.3, 2.3, 6.3]))
    assert np.array_equal(products, np.diag([1.0, 2.0, 6.0]))
