"""Criterion ``apoz``: how often a channel is not zero behind its activation.

score_c = 1 - APoZ_c, the share of zeros among the values of channel c over samples and positions
(Hu et al., Network Trimming, 2016, eq. 1), where its consumers read them.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from prunus.descriptors import Criterion, Descriptor
from prunus.errors import UsageError
from prunus.groups import Group
from prunus.hookspecs import hookimpl
from prunus.methods.members import Samples, magnitude
from prunus.network import Network


@hookimpl
def prunus_register() -> Iterable[Descriptor]:
    """One criterion."""
    return (
        Criterion(
            "apoz",
            "share of activations that are not zero; needs samples and ReLU",
            needs_samples=True,
        ),
    )


@hookimpl
def prunus_rank(
    criterion: str, network: Network, group: Group, samples: Samples
) -> NDArray[np.float64]:
    """Mean over the values that consumers read; by magnitude where no consumer tells.

    Raises:
        UsageError: no activation is ever zero.
    """
    from prunus.methods.read_values import maps_of

    found = maps_of(network, group, samples)
    if not found:
        return magnitude(network, group)
    shares = np.mean([(maps != 0).mean(axis=(0, 2, 3)) for maps in found], axis=0)
    if np.all(shares == 1):
        raise UsageError(
            f"criterion 'apoz' cannot score group '{group.name}': none of its activations is ever "
            "zero; use block-obs, l1 or l2, or exclude it"
        )
    return np.asarray(shares, np.float64)
