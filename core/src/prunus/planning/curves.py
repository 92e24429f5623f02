"""From noisy measured points to a loss for every number of kept units."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from prunus.sensitivity import Curve, Sensitivity


def expected_loss(
    sensitivity: Sensitivity, curve: Curve, kept: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Metric loss of a group at ``kept`` (n,) units: signed, smoothed, monotone.

    Measured losses are fitted by isotonic regression weighted by their standard
    errors (a gain at a small ratio stays a gain), then interpolated linearly
    between points, and continued beyond the last one with the steepest slope seen.
    """
    from scipy.optimize import isotonic_regression  # slow to import

    removed = np.array([0.0, *(curve.size - point.kept for point in curve.points)])
    loss = np.array([0.0, *(sensitivity.loss(point.value) for point in curve.points)])
    error = np.array([0.0, *(point.error for point in curve.points)])
    # relative to the largest: the fit does not depend on the scale, the squares would overflow
    relative = np.maximum(error / max(float(error.max()), 1e-6), 0.1)
    fitted = np.asarray(isotonic_regression(loss, weights=1 / relative**2).x)
    wanted = curve.size - kept.astype(np.float64)
    result = np.interp(wanted, removed, fitted)
    if len(removed) > 1:
        slope = float((np.diff(fitted) / np.maximum(np.diff(removed), 1e-9)).max())
        beyond = np.maximum(wanted - removed[-1], 0)
        result = result + beyond * slope
    return np.asarray(result)


def convex(removed: NDArray[np.float64], loss: NDArray[np.float64]) -> NDArray[np.float64]:
    """Lower convex hull of a curve at its own points: marginal losses then only grow."""
    hull: list[int] = []
    for index in range(len(removed)):
        while len(hull) > 1 and _above(removed, loss, hull[-2], hull[-1], index):
            hull.pop()
        hull.append(index)
    return np.interp(removed, removed[hull], loss[hull])


def _above(x: NDArray[np.float64], y: NDArray[np.float64], a: int, b: int, c: int) -> bool:
    return bool((y[b] - y[a]) * (x[c] - x[a]) >= (y[c] - y[a]) * (x[b] - x[a]))
