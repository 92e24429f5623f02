"""Ridge regression from sums over rows, held back as far as held-out rows ask for.

Rows are never held together: sums of products are gathered chunk by chunk, in float32 inside a
chunk and in float64 over chunks.
"""

from __future__ import annotations

import attrs
import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve

_RIDGES = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)
"""Shares of the mean variance of the features, added to the diagonal."""

_MASKED_RIDGES = (np.inf, 1e-3, 1e-2, 1e-1, 1.0)
"""The same where each output has inputs of its own, and ``inf``: no change."""

_DIRECTIONS = 64
"""Random combinations of targets by which ridges are compared: hundreds of targets tell no
more, as squared errors keep their size in so many (Johnson and Lindenstrauss, 1984)."""

Array = NDArray[np.float64]
Rows = NDArray[np.float32]


@attrs.frozen(eq=False)
class Moments:
    """Sums over rows of features x ``(K,)`` and of missing targets y ``(M,)``.

    Attributes:
        count: Number of rows, or sum of their weights.
        features: Sum of x, ``(K,)``.
        products: Sum of x xᵀ, ``(K, K)``.
        missing: Sum of y, ``(M,)``.
        crossed: Sum of x yᵀ, ``(K, M)``.
    """

    count: float
    features: Array
    products: Array
    missing: Array
    crossed: Array

    @staticmethod
    def of(features: Rows, missing: Rows, weights: Rows | None = None) -> Moments:
        """Sums of some rows, ``(n, K)`` and ``(n, M)``, each times its weight ``(n,)``.

        Numbers too large for float32 become infinite: the solution refuses them.
        """
        counted = features if weights is None else features * weights[:, None]
        asked = missing if weights is None else missing * weights[:, None]
        with np.errstate(over="ignore", invalid="ignore"):
            return Moments(
                len(features) if weights is None else float(weights.sum(dtype=np.float64)),
                counted.sum(0, np.float64),
                (counted.T @ features).astype(np.float64),
                asked.sum(0, np.float64),
                (counted.T @ missing).astype(np.float64),
            )

    def __add__(self, other: Moments) -> Moments:
        return Moments(
            self.count + other.count,
            self.features + other.features,
            self.products + other.products,
            self.missing + other.missing,
            self.crossed + other.crossed,
        )


@attrs.frozen(eq=False)
class Problem:
    """What known weights miss of their targets, as sums over rows.

    Attributes:
        fitted: Rows of most samples, or ``None`` without any.
        checked: Rows of the samples that tell how far the fit can be trusted, or ``None``.
        start: ``(K, M)`` weights that the fit is drawn to; targets count from what they give.
        read: ``(M, P)`` by which targets are read on: errors count there. ``None`` for as is.
        centred: Whether a constant may be used.
        mask: ``(K, M)`` bool, False for weights that are zero, in ``start`` too; ``None`` for none.
    """

    fitted: Moments | None
    checked: Moments | None
    start: Array
    read: Array | None
    centred: bool
    mask: NDArray[np.bool_] | None = None


@attrs.frozen(eq=False)
class Solution:
    """Targets are about ``features @ weights + constant``: ``(K, M)`` and ``(M,)``.

    Attributes:
        weights, constant: As above.
        ridge: Share of the features' mean variance that holds the weights; ``inf`` for no change.
    """

    weights: Array
    constant: Array
    ridge: float = np.inf


def solve_problem(problem: Problem) -> Solution:
    """Of several ridges, and the weights as they are, what is best on held-out samples.

    Weights stay as they are where their activations are too large for the numbers of the fit.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        found = _fitted(problem)
    if np.isfinite(found.weights).all() and np.isfinite(found.constant).all():
        return found
    return Solution(problem.start, np.zeros(problem.start.shape[1]))


def solve_again(problem: Problem, solution: Solution, missing: Array, crossed: Array) -> Solution:
    """The same problem with other targets, held by the ridge of its solution.

    The old solution stays where the new one has no finite numbers.

    Args:
        problem: Without a mask.
        solution: Of the problem.
        missing: `Moments.missing` of all rows, ``(M,)``.
        crossed: `Moments.crossed` of all rows, ``(K, M)``.
    """
    whole = _whole(problem)
    if whole is None:
        return solution
    whole = attrs.evolve(whole, missing=missing, crossed=crossed)
    with np.errstate(over="ignore", invalid="ignore"):
        change, constant = _change(whole, solution.ridge, problem.centred)
    if np.isfinite(change).all() and np.isfinite(constant).all():
        return Solution(problem.start + change, constant, solution.ridge)
    return solution


def _fitted(problem: Problem) -> Solution:
    whole = _whole(problem)
    if whole is None:
        return Solution(problem.start, np.zeros(problem.start.shape[1]))
    if problem.mask is not None:
        change, constant = _best_masked_change(problem, whole, problem.mask)
        return Solution(problem.start + change, constant)
    ridge = _best_ridge(problem)
    change, constant = _change(whole, ridge, problem.centred)
    return Solution(problem.start + change, constant, ridge)


def _whole(problem: Problem) -> Moments | None:
    """Sums over all rows."""
    if problem.fitted is None or problem.checked is None:
        return problem.checked if problem.fitted is None else problem.fitted
    return problem.fitted + problem.checked


def _best_masked_change(
    problem: Problem, whole: Moments, mask: NDArray[np.bool_]
) -> tuple[Array, Array]:
    """The change by all rows, with the ridge that is best on the checked ones."""
    fit, check = problem.fitted, problem.checked
    ridge = np.inf
    if fit is not None and check is not None and mask.any():
        fits = [_masked_change(fit, one, problem.centred, mask) for one in _MASKED_RIDGES]
        ridge = _MASKED_RIDGES[int(np.argmin([_error(check, *found) for found in fits]))]
    return _masked_change(whole, ridge, problem.centred, mask)


def _masked_change(
    moments: Moments, ridge: float, centred: bool, mask: NDArray[np.bool_]
) -> tuple[Array, Array]:
    """`_change` where each output has inputs of its own: the compensation of OBS, solved at once.

    Removing weights one after the other and changing the others each time (Hassibi and Stork
    1993; Frantar and Alistarh 2022) ends at the least squares on what is left.
    """
    mean, lost = moments.features / moments.count, moments.missing / moments.count
    change = np.zeros_like(moments.crossed)
    if ridge != np.inf:
        inner, cross = moments.products / moments.count, moments.crossed / moments.count
        if centred:
            inner = inner - np.outer(mean, mean)
            cross = cross - np.outer(mean, lost)
        held = max(ridge * float(np.trace(inner)) / len(inner), 1e-12)
        inner[np.diag_indices(len(inner))] += held
        for output in range(mask.shape[1]):
            left = np.flatnonzero(mask[:, output])
            if len(left):
                factor = cho_factor(inner[np.ix_(left, left)], lower=True, check_finite=False)
                change[left, output] = cho_solve(factor, cross[left, output], check_finite=False)
    return change, (lost - mean @ change) * centred


def _best_ridge(problem: Problem) -> float:
    """The ridge with the least error on the checked rows; ``inf`` for no change of weights."""
    if problem.fitted is None or problem.checked is None or not len(problem.start):
        return np.inf
    fit, check = (_sketched(part, problem.read) for part in (problem.fitted, problem.checked))
    ridges = (np.inf, *_RIDGES)
    errors = [_error(check, *_change(fit, ridge, problem.centred)) for ridge in ridges]
    return ridges[int(np.argmin(errors))]


def _sketched(moments: Moments, read: Array | None) -> Moments:
    """The same sums for few combinations of targets, with errors of about the same size."""
    outputs = len(moments.missing) if read is None else read.shape[1]
    if outputs > _DIRECTIONS:
        draw = np.random.default_rng(0)
        directions = draw.standard_normal((outputs, _DIRECTIONS)) / np.sqrt(_DIRECTIONS)
    else:
        directions = np.eye(outputs)
    if read is not None:
        directions = read @ directions
    return attrs.evolve(
        moments, missing=moments.missing @ directions, crossed=moments.crossed @ directions
    )


def _change(moments: Moments, ridge: float, centred: bool) -> tuple[Array, Array]:
    """The change of the weights ``(K, M)``, and the constant ``(M,)``; ``inf`` adds nothing."""
    mean, lost = moments.features / moments.count, moments.missing / moments.count
    change = np.zeros_like(moments.crossed)
    if ridge != np.inf:
        inner, cross = moments.products / moments.count, moments.crossed / moments.count
        if centred:
            inner -= np.outer(mean, mean)
            cross -= np.outer(mean, lost)
        held = max(ridge * float(np.trace(inner)) / len(inner), 1e-12)
        inner[np.diag_indices(len(inner))] += held
        try:
            factor = cho_factor(inner, lower=True, overwrite_a=True, check_finite=False)
        except np.linalg.LinAlgError:  # float32 products of nearly equal features
            return np.full_like(change, np.nan), lost * centred
        change = np.asarray(cho_solve(factor, cross, overwrite_b=True, check_finite=False))
    return change, (lost - mean @ change) * centred


def _error(moments: Moments, change: Array, constant: Array) -> float:
    """Sum of (missing - features @ change - constant)², less the part without a change."""
    given = moments.products @ change + 2 * np.outer(moments.features, constant)
    square = np.sum(change * given) + moments.count * constant @ constant
    linear = np.sum(change * moments.crossed) + constant @ moments.missing
    error = float(square - 2 * linear)
    return error if np.isfinite(error) else np.inf
