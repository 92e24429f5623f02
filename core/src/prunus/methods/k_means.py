"""Sharing ``k-means``: shared values are the centroids of clusters in one dimension.

Han, Mao, Dally, "Deep Compression", ICLR 2016, section 3: centroids start at even distances
between the least and the largest weight, so that the few large weights, which matter most, get
values of their own. The updates are Lloyd's, computed exactly on sorted values: a cluster is a
range of them, and its sum a difference of two prefix sums. Unlike the paper's, no cluster stays
empty.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from prunus.descriptors import Descriptor, Sharing
from prunus.hookspecs import hookimpl

_UPDATES = 300
"""Updates at most; layers of real networks end after some dozens."""

_DIVISIONS = 16
"""Times that clusters are divided at most; each may double their number."""

_BLOCK = 256
"""Values of one prefix sum: kept for every block only, they take little memory."""


@hookimpl
def prunus_register() -> Iterable[Descriptor]:
    """One sharing."""
    return (Sharing("k-means", "centroids of each layer's weights, at even distances first"),)


@hookimpl
def prunus_share(
    sharing: str, weight: str, values: NDArray[np.floating], count: int
) -> NDArray[np.floating]:
    """Centroids of the weights that are not zero, none of them zero."""
    found = k_means(values, count)
    found[found == 0] = values[np.argmin(np.abs(values))]
    return found


def k_means(values: NDArray[np.floating], count: int) -> NDArray[np.floating]:
    """Centroids ``(<= count,)``, ascending; as many as there are different values at most.

    Clusters that lose all their values (one large weight leaves most of an even division empty)
    are given to the clusters that err most.

    Args:
        values: The values ``(n,)``, in any order, at least one.
        count: Number of clusters.
    """
    ordered = np.sort(values)
    prefix = _block_sums(ordered)
    centroids = np.linspace(float(ordered[0]), float(ordered[-1]), count)
    for _ in range(_DIVISIONS):
        centroids, cuts = _lloyd(ordered, prefix, centroids)
        least, largest = ordered[cuts[:-1]], ordered[cuts[1:] - 1]
        wide = _worst(np.diff(cuts) * np.square(np.float64(largest) - least), count)
        if not wide.size:
            break
        halves = ((centroids + least)[wide] / 2, (centroids + largest)[wide] / 2)
        centroids = np.sort(np.concatenate((np.delete(centroids, wide), *halves)))
    return np.unique(centroids.astype(values.dtype))


def _lloyd(
    ordered: NDArray[np.floating], prefix: NDArray[np.float64], centroids: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Centroids that move no more and the first place of each cluster; empty ones are left out."""
    cuts = np.zeros(1, np.int64)
    for _ in range(_UPDATES):
        bounds = ((centroids[1:] + centroids[:-1]) / 2).astype(ordered.dtype)
        cuts = np.concatenate(([0], np.searchsorted(ordered, bounds), [ordered.size]))
        sizes = np.diff(cuts)
        sums = np.diff(_sums_before(ordered, prefix, cuts))
        moved = np.where(sizes > 0, sums / np.maximum(sizes, 1), centroids)
        if np.array_equal(moved, centroids):
            break
        centroids = moved
    held = np.diff(cuts) > 0
    starts, ends = cuts[:-1][held], cuts[1:][held]
    # beside large prefix sums, the mean of tiny values may be rounded to one outside of them
    return np.clip(centroids[held], ordered[starts], ordered[ends - 1]), np.append(starts, cuts[-1])


def _worst(errors: NDArray[np.float64], count: int) -> NDArray[np.int64]:
    """Clusters to divide, those of the largest errors first, until there are ``count``."""
    spare = min(count - errors.size, int(np.count_nonzero(errors)))
    return np.argsort(-errors, kind="stable")[:spare]


def _block_sums(ordered: NDArray[np.floating]) -> NDArray[np.float64]:
    """Sum of all values before each block."""
    starts = np.arange(0, ordered.size, _BLOCK)
    sums = np.add.reduceat(ordered, starts, dtype=np.float64)
    return np.concatenate(([0.0], np.cumsum(sums)))


def _sums_before(
    ordered: NDArray[np.floating], prefix: NDArray[np.float64], cuts: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Sum of all values before each cut."""
    blocks = cuts // _BLOCK
    places = blocks[:, None] * _BLOCK + np.arange(_BLOCK)
    part = ordered[np.minimum(places, ordered.size - 1)].astype(np.float64)
    sums: NDArray[np.float64] = prefix[blocks] + np.where(places < cuts[:, None], part, 0).sum(1)
    return sums
