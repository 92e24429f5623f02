"""How a score of members becomes a score of units: normalise each member, then average."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from prunus.groups import Group, Member
from prunus.network import Network

Scores = NDArray[np.float64]

Samples = Mapping[str, NDArray[np.float32]]
"""Graph input name -> ``(N, ...)``."""

_BLOCK = 1 << 16
"""Values handled at once: they stay in the processor's cache."""


def mean_over_members(group: Group, score: Callable[[Member], Scores]) -> Scores:
    """``(C,)`` mean over filters and consumers of ``score`` -> (C,), each divided by its mean.

    Without the division a wide fully connected consumer would drown a small filter.
    """
    scores = [score(member) for member in group.members if member.role in ("filter", "input")]
    return np.asarray(np.mean([relative(values) for values in scores], axis=0))


def magnitude(network: Network, group: Group) -> Scores:
    """``(C,)`` mean absolute weight of all filters and consumers; of criteria that see no other."""
    return mean_over_members(group, lambda member: summed(network, member, np.abs))


def relative(values: Scores) -> Scores:
    """Divide by the mean over units, where that is not zero."""
    mean = float(values.mean())
    return values / mean if mean > 0 else values


def summed(network: Network, member: Member, ufunc: np.ufunc) -> Scores:
    """``(C,)`` sum of ``ufunc`` (of one argument) over the weights of each unit.

    Block by block of the first axis, so that large weights are read once and never copied.
    """
    array = member.array(network)
    rest = tuple(axis for axis in range(1, array.ndim) if axis not in member.axes)
    rows = max(1, _BLOCK * len(array) // max(array.size, 1))
    blocks = (ufunc(array[start : start + rows]) for start in range(0, len(array), rows))
    if 0 in member.axes:
        totals = np.concatenate([_over(block, rest).astype(np.float64) for block in blocks])
    else:  # added as they come: sums of a large consumer's blocks would be as large as it is
        sums = (_over(block.sum(0, keepdims=True), rest).astype(np.float64) for block in blocks)
        totals = reduce(np.add, sums)
    moved = np.moveaxis(totals, member.axes, range(len(member.axes)))
    return np.asarray(moved.ravel()[member.positions].sum(1))


def _over(block: NDArray[np.generic], axes: tuple[int, ...]) -> NDArray[np.generic]:
    return np.asarray(np.add.reduce(block, axes, keepdims=True)) if axes else block
