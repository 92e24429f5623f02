"""How a score of slices becomes a score of units: normalise each member, then average."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from prunus.groups import Group
from prunus.network import Network

Slices = NDArray[np.float64]


def mean_over_members(
    network: Network, group: Group, score: Callable[[Slices], Slices]
) -> NDArray[np.float64]:
    """``(C,)`` mean over filters and readers of ``score`` (C, m) -> (C,), each divided by its mean.

    Without the division a wide fully connected reader would drown a small filter.
    """
    scores = [
        score(member.slices(network))
        for member in group.members
        if member.role in ("filter", "input")
    ]
    return np.asarray(np.mean([relative(values) for values in scores], axis=0))


def relative(values: Slices) -> Slices:
    """Divide by the mean over units, where that is not zero."""
    mean = float(values.mean())
    return values / mean if mean > 0 else values
