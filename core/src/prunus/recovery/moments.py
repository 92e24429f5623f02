"""Sums over rows of activations, from which least squares follow.

Rows are never held together: sums of products are gathered chunk by chunk, in float32 inside a
chunk and in float64 over chunks.
"""

from __future__ import annotations

import attrs
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Rows = NDArray[np.float32]


@attrs.frozen(eq=False)
class Moments:
    """Sums over rows of features x ``(K,)`` and of missing targets y ``(M,)``.

    Numbers too large for float32 become infinite, or none: what is solved from them refuses them.

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
        """Sums of some rows, ``(n, K)`` and ``(n, M)``, each times its weight ``(n,)``."""
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
        with np.errstate(over="ignore", invalid="ignore"):
            return Moments(
                self.count + other.count,
                self.features + other.features,
                self.products + other.products,
                self.missing + other.missing,
                self.crossed + other.crossed,
            )

    def inner(self, centred: bool) -> Array:
        """Mean of x xᵀ ``(K, K)``, about the mean of x if centred."""
        inner = self.products / self.count
        if centred:
            mean = self.features / self.count
            inner -= np.outer(mean, mean)
        return inner


def together(one: Moments | None, other: Moments | None) -> Moments | None:
    """Sums over the rows of both; ``None`` where both have none."""
    if one is None or other is None:
        return other if one is None else one
    return one + other


def held_by_ridge(products: Array, ridge: float) -> Array:
    """Products ``(K, K)`` with a share of their mean diagonal added to it."""
    held = products.copy(order="K")
    held[np.diag_indices(len(held))] += max(ridge * float(np.trace(held)) / len(held), 1e-12)
    return held


class Gathering:
    """Sums over rows of features that come piece by piece; small pieces are multiplied together."""

    def __init__(self, waiting: int) -> None:
        """No rows yet.

        Args:
            waiting: Numbers of rows that wait until they are multiplied: sums are large beside few
                rows.
        """
        self._waiting = waiting
        self._sums: Moments | None = None
        self._pieces: list[tuple[Rows, Rows | None]] = []

    def add(self, features: Rows, weights: Rows | None) -> None:
        """Count some rows ``(n, K)``, each times its weight ``(n,)``."""
        self._pieces.append((features, weights))
        if sum(piece.size for piece, _ in self._pieces) >= self._waiting:
            self._multiply()

    def total(self) -> Moments | None:
        """Sums of all rows, without targets; ``None`` without any."""
        if self._pieces:
            self._multiply()
        return self._sums

    def _multiply(self) -> None:
        rows, given = zip(*self._pieces, strict=True)
        self._pieces = []
        features = np.concatenate(rows)
        weights = None if given[0] is None else np.concatenate(given)
        self._sums = together(self._sums, Moments.of(features, features[:, :0], weights))
