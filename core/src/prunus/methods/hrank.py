"""Criterion ``hrank``: rank of the channel's maps.

score_c = mean over samples of the rank of the matrix (height, width) of channel c (Lin et al.,
HRank, CVPR 2020, eq. 4), where its consumers read it.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from prunus.descriptors import Criterion, Descriptor
from prunus.groups import Group
from prunus.hookspecs import hookimpl
from prunus.methods.members import Samples, magnitude
from prunus.network import Network

_SAMPLES = 64
"""Samples whose maps are ranked; the mean rank hardly changes with more (Lin et al., figure 2)."""


@hookimpl
def prunus_register() -> Iterable[Descriptor]:
    """One criterion."""
    return (
        Criterion("hrank", "mean rank of the channel's maps; needs samples", needs_samples=True),
    )


@hookimpl
def prunus_rank(
    criterion: str, network: Network, group: Group, samples: Samples
) -> NDArray[np.float64]:
    """Mean over the values that consumers read; by magnitude where no consumer tells."""
    from prunus.methods.read_values import maps_of

    count = len(next(iter(samples.values())))
    chosen = np.linspace(0, count - 1, min(count, _SAMPLES)).round().astype(np.int64)
    found = maps_of(network, group, {name: array[chosen] for name, array in samples.items()})
    if not found:
        return magnitude(network, group)
    ranks = [np.linalg.matrix_rank(maps).mean(0) for maps in found]
    return np.asarray(np.mean(ranks, axis=0), np.float64)
