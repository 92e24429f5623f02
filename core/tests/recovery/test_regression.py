"""Ridge regression that starts from known weights."""

from __future__ import annotations

import numpy as np
import pytest

from prunus.recovery.moments import Moments
from prunus.recovery.regression import Problem, solve_problem


def problem(features, targets, start, centred=True, read=None):
    """Four rows a sample; every fourth sample is held out."""
    checked = np.arange(len(features)) // 4 % 4 == 3
    missing = targets - features @ start.astype(features.dtype)
    fitted, held = (
        Moments.of(features[rows], missing[rows]) if rows.any() else None
        for rows in (~checked, checked)
    )
    return Problem(fitted, held, start, read, centred)


@pytest.mark.parametrize("noise", [0.0, 0.3, 3.0, 30.0])
def test_no_ridge_is_better_than_the_one_found(draw, noise):
    x = draw.standard_normal((160, 30))
    start = draw.standard_normal((30, 4))
    targets = x @ (start + 0.3 * draw.standard_normal((30, 4)))
    targets += noise * draw.standard_normal(targets.shape)
    held = np.arange(160) // 4 % 4 == 3
    missing = targets - x @ start
    mean, lost = x[~held].mean(0), missing[~held].mean(0)
    inner, cross = (x[~held] - mean).T @ (x[~held] - mean), (x[~held] - mean).T @ missing[~held]

    def error(ridge):
        """On the held-out rows."""
        change = np.zeros((30, 4))
        if ridge != np.inf:
            change = np.linalg.solve(inner + ridge * np.trace(inner) / 30 * np.eye(30), cross)
        return np.sum((missing[held] - lost - (x[held] - mean) @ change) ** 2)

    ridges = (np.inf, *(10.0**power for power in range(-6, 2)))
    assert solve_problem(problem(x, targets, start)).ridge == pytest.approx(min(ridges, key=error))


def test_a_linear_relation_is_found_from_any_start(draw):
    x = draw.standard_normal((400, 5))
    truth = draw.standard_normal((5, 3))
    found = solve_problem(problem(x, x @ truth + 7, np.zeros((5, 3))))
    assert np.allclose(found.weights, truth, atol=1e-2)
    assert np.allclose(found.constant, 7, atol=1e-2)


def test_without_a_place_for_it_there_is_no_constant(draw):
    x = draw.standard_normal((400, 5)) + 1
    found = solve_problem(problem(x, x @ np.ones((5, 2)) + 7, np.ones((5, 2)), centred=False))
    assert np.array_equal(found.constant, np.zeros(2))
    assert found.weights.sum() > 10.5  # what the constant would have given, as far as x can


def test_noise_is_hardly_fitted(draw):
    """Hardly more samples than features: held-out samples hold the fit back."""
    x, noise = draw.standard_normal((40, 30)), draw.standard_normal((40, 2))
    start = draw.standard_normal((30, 2))
    found = solve_problem(problem(x, x @ start + noise, start))
    plain, *_ = np.linalg.lstsq(x - x.mean(0), noise - noise.mean(0))
    assert np.abs(found.weights - start).mean() < 0.2 * np.abs(plain).mean()


def test_three_samples_give_a_mean_and_no_more(draw):
    x = draw.standard_normal((12, 2))
    found = solve_problem(problem(x, x @ np.ones((2, 1)) + 3, np.zeros((2, 1))))
    assert np.array_equal(found.weights, np.zeros((2, 1)))
    assert np.allclose(found.constant, (x.sum(1) + 3).mean())


def test_dead_features_do_no_harm(draw):
    x = draw.standard_normal((400, 3)) * [1, 0, 1]
    found = solve_problem(problem(x, x @ np.ones((3, 1)), np.full((3, 1), 0.5)))
    assert np.allclose(found.weights[[0, 2]], 1, atol=1e-2)
    assert found.weights[1] == 0.5


def test_errors_count_as_they_are_read(draw):
    """A target nobody reads must not decide how far the fit is held back."""
    x = draw.standard_normal((80, 30))
    targets = np.stack([x @ np.ones(30), draw.standard_normal(80) * 100], 1)
    start = np.zeros((30, 2))
    read = np.diag([1.0, 0.0])
    assert np.allclose(
        solve_problem(problem(x, targets, start, read=read)).weights[:, 0], 1, atol=0.1
    )
    blind = solve_problem(problem(x, targets, start)).weights[:, 0]
    assert np.abs(blind - 1).max() > 0.5


def test_many_targets_are_judged_by_few_combinations_of_them(draw):
    """The same fit as by all targets, whether they are read as they are or further on."""
    x = draw.standard_normal((400, 20))
    truth = draw.standard_normal((20, 300))
    targets = x @ truth + draw.standard_normal((400, 300))
    for read in (None, draw.standard_normal((300, 200))):
        found = solve_problem(problem(x, targets, np.zeros((20, 300)), read=read))
        plain, *_ = np.linalg.lstsq(x - x.mean(0), targets - targets.mean(0))
        assert np.abs(found.weights - plain).max() < 0.05 * np.abs(plain).max()


def test_activations_too_large_for_the_fit_leave_the_weights(draw):
    x = draw.standard_normal((400, 5)).astype(np.float32)
    start = np.full((5, 3), -1.9e38)
    found = solve_problem(problem(x, x @ np.ones((5, 3), np.float32), start))
    assert np.array_equal(found.weights, start)
    assert np.array_equal(found.constant, np.zeros(3))
