"""Criterion ``fpgm``: distance to the other filters.

score_c = sum over c' of |w_c - w_c'|_2: filters near the geometric median are replaceable
(He et al., Filter Pruning via Geometric Median, CVPR 2019, eq. 6).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from prunus.descriptors import Criterion, Descriptor
from prunus.groups import Group
from prunus.hookspecs import hookimpl
from prunus.methods.members import mean_over_members
from prunus.network import Network


@hookimpl
def prunus_register() -> Iterable[Descriptor]:
    """One criterion."""
    return (Criterion("fpgm", "distance to the other filters (geometric median)"),)


@hookimpl
def prunus_rank(
    criterion: str,
    network: Network,
    group: Group,
    samples: Mapping[str, NDArray[np.float32]] | None,
    seed: int,
) -> NDArray[np.float64]:
    """Sum of distances, member by member."""
    return mean_over_members(group, lambda member: _distances(member.slices(network)))


def _distances(filters: NDArray[np.float64]) -> NDArray[np.float64]:
    from scipy.spatial.distance import cdist  # slow to import

    return np.asarray(cdist(filters, filters).sum(1))
