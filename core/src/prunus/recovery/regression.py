"""Ridge regression from sums over rows, held back as far as held-out rows ask for."""

from __future__ import annotations

from functools import cache

import attrs
import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve

from prunus.recovery.moments import Array, Moments, held_by_ridge, together

_RIDGES = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)
"""Shares of the mean variance of the features, added to the diagonal."""

_LIKELY = 4
"""Place of the ridge that is tried first, then those towards the smaller error: with the ridge it
falls, then rises (in two of 456 fits another one was better, by 0.1 % of the gain at most)."""

_MASKED_RIDGES = (np.inf, 1e-3, 1e-2, 1e-1, 1.0)
"""The same where each output has inputs of its own, and ``inf``: no change."""

_DIRECTIONS = 64
"""Random combinations of targets by which ridges are compared: hundreds of targets tell no
more, as squared errors keep their size in so many (Johnson and Lindenstrauss, 1984)."""


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
    whole = together(problem.fitted, problem.checked)
    if whole is None:
        return solution
    whole = attrs.evolve(whole, missing=missing, crossed=crossed)
    with np.errstate(over="ignore", invalid="ignore"):
        change, constant = _Equations.of(whole, problem.centred).change(solution.ridge)
    if np.isfinite(change).all() and np.isfinite(constant).all():
        return Solution(problem.start + change, constant, solution.ridge)
    return solution


def _fitted(problem: Problem) -> Solution:
    whole = together(problem.fitted, problem.checked)
    if whole is None:
        return Solution(problem.start, np.zeros(problem.start.shape[1]))
    if problem.mask is not None:
        change, constant = _best_masked_change(problem, whole, problem.mask)
        return Solution(problem.start + change, constant)
    ridge = _best_ridge(problem)
    change, constant = _Equations.of(whole, problem.centred).change(ridge)
    return Solution(problem.start + change, constant, ridge)


def _best_masked_change(
    problem: Problem, whole: Moments, mask: NDArray[np.bool_]
) -> tuple[Array, Array]:
    """The change by all rows, with the ridge that is best on the checked ones."""
    fit, check = problem.fitted, problem.checked
    ridge = np.inf
    if fit is not None and check is not None and mask.any():
        equations = _Equations.of(fit, problem.centred)
        fits = [equations.masked_change(one, mask) for one in _MASKED_RIDGES]
        ridge = _MASKED_RIDGES[int(np.argmin([_error(check, *found) for found in fits]))]
    return _Equations.of(whole, problem.centred).masked_change(ridge, mask)


def _best_ridge(problem: Problem) -> float:
    """The ridge with the least error on the checked rows; ``inf`` for no change of weights."""
    if problem.fitted is None or problem.checked is None or not len(problem.start):
        return np.inf
    fit, check = (_sketched(part, problem.read) for part in (problem.fitted, problem.checked))
    equations = _Equations.of(fit, problem.centred)

    @cache
    def error(place: int) -> float:
        return _error(check, *equations.change(_RIDGES[place]))

    place = _LIKELY
    while True:
        near = [other for other in (place - 1, place + 1) if 0 <= other < len(_RIDGES)]
        nearest = min(near, key=error)
        if not error(nearest) < error(place):
            break
        place = nearest
    return _RIDGES[place] if error(place) < _error(check, *equations.change(np.inf)) else np.inf


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


@attrs.frozen(eq=False)
class _Equations:
    """Normal equations of a fit: means over rows, about the means of both sides if centred.

    Attributes:
        mean: Of the features, ``(K,)``.
        lost: Of the missing targets, ``(M,)``.
        inner: Of x xᵀ, ``(K, K)``.
        cross: Of x yᵀ, ``(K, M)``.
        centred: Whether a constant may be used.
    """

    mean: Array
    lost: Array
    inner: Array
    cross: Array
    centred: bool

    @classmethod
    def of(cls, moments: Moments, centred: bool) -> _Equations:
        mean, lost = moments.features / moments.count, moments.missing / moments.count
        inner, cross = moments.inner(centred), moments.crossed / moments.count
        if centred:
            cross -= np.outer(mean, lost)
        # as LAPACK holds them: it would copy other orders for each ridge
        return cls(mean, lost, np.asfortranarray(inner), np.asfortranarray(cross), centred)

    def change(self, ridge: float) -> tuple[Array, Array]:
        """The change of the weights ``(K, M)``, and the constant ``(M,)``; ``inf`` adds nothing."""
        change = np.zeros_like(self.cross)
        if ridge != np.inf:
            try:
                inner = held_by_ridge(self.inner, ridge)
                factor = cho_factor(inner, lower=True, overwrite_a=True, check_finite=False)
            except np.linalg.LinAlgError:  # float32 products of nearly equal features
                return np.full_like(change, np.nan), self.lost * self.centred
            change = np.asarray(cho_solve(factor, self.cross, check_finite=False))
        return change, self._constant(change)

    def masked_change(self, ridge: float, mask: NDArray[np.bool_]) -> tuple[Array, Array]:
        """`change` where each output has inputs of its own: the compensation of OBS, at once.

        Removing weights one after the other and changing the others each time (Hassibi and Stork
        1993; Frantar and Alistarh 2022) ends at the least squares on what is left.
        """
        change = np.zeros_like(self.cross)
        if ridge != np.inf:
            inner = held_by_ridge(self.inner, ridge)
            for output in range(mask.shape[1]):
                left = np.flatnonzero(mask[:, output])
                if len(left):
                    factor = cho_factor(inner[np.ix_(left, left)], lower=True, check_finite=False)
                    wanted = self.cross[left, output]
                    change[left, output] = cho_solve(factor, wanted, check_finite=False)
        return change, self._constant(change)

    def _constant(self, change: Array) -> Array:
        return (self.lost - self.mean @ change) * self.centred


def _error(moments: Moments, change: Array, constant: Array) -> float:
    """Sum of (missing - features @ change - constant)², less the part without a change."""
    given = moments.products @ change + 2 * np.outer(moments.features, constant)
    square = np.sum(change * given) + moments.count * constant @ constant
    linear = np.sum(change * moments.crossed) + constant @ moments.missing
    error = float(square - 2 * linear)
    return error if np.isfinite(error) else np.inf
