"""Ridge regression held back as far as held-out rows ask for."""

from __future__ import annotations

import attrs
import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve

_RIDGES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)
"""Shares of the mean variance of the features, added to the diagonal."""

_CHECKED = 4
"""One sample of so many is not fitted at first: it tells how far the fit can be trusted."""

Array = NDArray[np.float64]


@attrs.frozen(eq=False)
class Problem:
    """Targets from features, starting from known weights.

    Attributes:
        features: ``(n, K)``.
        targets: ``(n, M)``.
        owners: ``(n,)`` sample of each row.
        start: ``(K, M)`` weights that the fit is drawn to.
        read: ``(M, M)`` by which errors are weighed, or ``None`` for the identity.
        centred: Whether a constant may be used.
    """

    features: NDArray[np.float32]
    targets: NDArray[np.float32]
    owners: NDArray[np.int64]
    start: Array
    read: Array | None
    centred: bool


@attrs.frozen(eq=False)
class Solution:
    """Targets are about ``features @ weights + constant``: ``(K, M)`` and ``(M,)``."""

    weights: Array
    constant: Array


def solve_problem(problem: Problem) -> Solution:
    """Of several ridges, and the weights as they are, what is best on held-out samples."""
    rows = np.concatenate(
        [problem.features, np.ones((len(problem.features), 1)), problem.targets], axis=1
    ).astype(np.float64)
    checked = problem.owners % _CHECKED == _CHECKED - 1
    fit, check = (rows[chosen].T @ rows[chosen] for chosen in (~checked, checked))
    count = problem.features.shape[1]
    if not count or not checked.any():
        return _ridge(problem, fit + check, np.inf)
    ridges = (np.inf, *_RIDGES)
    errors = [_error(problem, check, _ridge(problem, fit, ridge)) for ridge in ridges]
    return _ridge(problem, fit + check, ridges[int(np.argmin(errors))])


def _ridge(problem: Problem, moments: Array, ridge: float) -> Solution:
    """The fit to moments ``(K + 1 + M, K + 1 + M)``; ``inf`` keeps the weights."""
    size = len(problem.start)
    mean = moments[size] / moments[size, size] * problem.centred
    x, t = mean[:size], mean[size + 1 :]
    weights = problem.start
    if ridge != np.inf:
        scaled = moments / moments[size, size]
        inner = scaled[:size, :size] - np.outer(x, x)
        cross = scaled[:size, size + 1 :] - np.outer(x, t)
        missing = cross - inner @ weights
        held = max(ridge * float(np.trace(inner)) / size, 1e-12)
        inner[np.diag_indices(size)] += held
        weights = weights + np.asarray(solve(inner, missing, assume_a="pos"))
    return Solution(weights, t - x @ weights)


def _error(problem: Problem, moments: Array, found: Solution) -> float:
    """Squared error summed over the rows of ``moments``."""
    outputs = len(found.constant)
    residual = np.concatenate([-found.weights, -found.constant[None], np.eye(outputs)])
    error = residual.T @ moments @ residual
    return float(np.trace(error) if problem.read is None else np.sum(error * problem.read))
