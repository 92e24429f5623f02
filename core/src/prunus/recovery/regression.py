"""Ridge regression held back as far as held-out rows ask for."""

from __future__ import annotations

import attrs
import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve

_RIDGES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)
"""Shares of the mean variance of the features, added to the diagonal."""

_CHECKED = 4
"""One sample of so many is not fitted at first: it tells how far the fit can be trusted."""

_DIRECTIONS = 64
"""Random combinations of targets by which ridges are compared: hundreds of targets tell no
more, as squared errors keep their size in so many (Johnson and Lindenstrauss, 1984)."""

Array = NDArray[np.float64]
Rows = NDArray[np.float32]


@attrs.frozen(eq=False)
class Problem:
    """Targets from features, starting from known weights.

    Attributes:
        features: ``(n, K)``.
        targets: ``(n, M)``.
        owners: ``(n,)`` sample of each row.
        start: ``(K, M)`` weights that the fit is drawn to.
        read: ``(M, P)`` by which targets are read on: errors count there. ``None`` for as is.
        centred: Whether a constant may be used.
    """

    features: Rows
    targets: Rows
    owners: NDArray[np.int64]
    start: Array
    read: Array | None
    centred: bool


@attrs.frozen(eq=False)
class Solution:
    """Targets are about ``features @ weights + constant``: ``(K, M)`` and ``(M,)``."""

    weights: Array
    constant: Array


@attrs.frozen(eq=False)
class _Moments:
    """Sums over rows: their number, features ``(K,)``, and products of features ``(K, K)``."""

    count: int
    features: Array
    products: Array

    def __add__(self, other: _Moments) -> _Moments:
        return _Moments(
            self.count + other.count,
            self.features + other.features,
            self.products + other.products,
        )


@attrs.frozen(eq=False)
class _Missing:
    """Sums over rows of what weights do not give: ``(M,)``, with features ``(K, M)``, squared."""

    total: Array
    products: Array
    squares: float


def solve_problem(problem: Problem) -> Solution:
    """Of several ridges, and the weights as they are, what is best on held-out samples.

    Weights stay as they are where their activations are too large for the numbers of the fit.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        found = _fitted(problem)
    if np.isfinite(found.weights).all() and np.isfinite(found.constant).all():
        return found
    return Solution(problem.start, np.zeros(problem.start.shape[1]))


def _fitted(problem: Problem) -> Solution:
    checked = problem.owners % _CHECKED == _CHECKED - 1
    rows = [problem.features[~checked], problem.features[checked]]
    fit, check = (_moments(part) for part in rows)
    ridge = np.inf
    if problem.features.shape[1] and checked.any():
        seen = _sketched(problem)
        targets = [seen.targets[~checked], seen.targets[checked]]
        known, asked = (_missing(x, t, seen.start) for x, t in zip(rows, targets, strict=True))
        ridges = (np.inf, *_RIDGES)
        fits = [_change(fit, known, ridge, problem.centred) for ridge in ridges]
        ridge = ridges[int(np.argmin([_error(check, asked, *found) for found in fits]))]
    missing = _missing(problem.features, problem.targets, problem.start)
    change, constant = _change(fit + check, missing, ridge, problem.centred)
    return Solution(problem.start + change, constant)


def _sketched(problem: Problem) -> Problem:
    """The same problem in few targets, with errors of about the same size."""
    outputs = problem.targets.shape[1] if problem.read is None else problem.read.shape[1]
    directions = np.eye(outputs)
    if outputs > _DIRECTIONS:
        draw = np.random.default_rng(0)
        directions = draw.standard_normal((outputs, _DIRECTIONS)) / np.sqrt(_DIRECTIONS)
    if problem.read is not None:
        directions = problem.read @ directions
    targets = problem.targets @ directions.astype(problem.targets.dtype)
    return attrs.evolve(problem, targets=targets, start=problem.start @ directions, read=None)


def _moments(features: Rows) -> _Moments:
    exact = features.astype(np.float64)
    return _Moments(len(exact), exact.sum(0), exact.T @ exact)


def _missing(features: Rows, targets: Rows, start: Array) -> _Missing:
    missing = (targets - features @ start.astype(features.dtype)).astype(np.float64)
    return _Missing(
        missing.sum(0), features.astype(np.float64).T @ missing, float(np.sum(missing**2))
    )


def _change(
    moments: _Moments, missing: _Missing, ridge: float, centred: bool
) -> tuple[Array, Array]:
    """The change of the weights ``(K, M)``, and the constant ``(M,)``; ``inf`` adds nothing."""
    mean, lost = moments.features / moments.count, missing.total / moments.count
    change = np.zeros_like(missing.products)
    if ridge != np.inf:
        inner, cross = moments.products / moments.count, missing.products / moments.count
        if centred:
            inner -= np.outer(mean, mean)
            cross -= np.outer(mean, lost)
        held = max(ridge * float(np.trace(inner)) / len(inner), 1e-12)
        inner[np.diag_indices(len(inner))] += held
        factor = cho_factor(inner, lower=True, overwrite_a=True, check_finite=False)
        change = np.asarray(cho_solve(factor, cross, overwrite_b=True, check_finite=False))
    return change, (lost - mean @ change) * centred


def _error(moments: _Moments, missing: _Missing, change: Array, constant: Array) -> float:
    """Sum over rows and targets of (missing - features @ change - constant) squared."""
    given = moments.products @ change + 2 * np.outer(moments.features, constant)
    square = np.sum(change * given) + moments.count * constant @ constant
    linear = np.sum(change * missing.products) + constant @ missing.total
    return float(missing.squares - 2 * linear + square)
