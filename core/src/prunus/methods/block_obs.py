"""Criterion ``block-obs``: variance of the consumers' outputs that is lost, once compensated.

Units are ordered by greedy elimination (`prunus.methods.elimination`) on activations of the
network itself: no labels, no gradient.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from prunus.descriptors import Criterion, Descriptor
from prunus.groups import Group
from prunus.hookspecs import hookimpl
from prunus.methods.elimination import elimination_costs
from prunus.methods.members import magnitude
from prunus.network import Network

Samples = Mapping[str, NDArray[np.float32]]


@hookimpl
def prunus_register() -> Iterable[Descriptor]:
    """One criterion."""
    return (
        Criterion(
            "block-obs",
            "output variance of the consumers lost after compensation; needs samples, no labels",
            needs_samples=True,
            together=True,
        ),
    )


@hookimpl
def prunus_rank_all(
    criterion: str,
    network: Network,
    groups: Sequence[Group],
    samples: Samples | None,
    seed: int,
) -> dict[str, NDArray[np.float64]]:
    """Cumulative shares of variance lost; by magnitude where no consumer can be fitted."""
    from prunus.methods.consumer_fits import consumer_fits

    assert samples is not None
    return {
        group.name: elimination_costs(problems) if problems else magnitude(network, group)
        for group, problems in consumer_fits(network, groups, samples, seed)
    }
