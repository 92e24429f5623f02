"""Criterion ``magnitude``: the absolute value of each single weight.

score_w = |w| (Han, Pool, Tran, Dally, NIPS 2015). Small weights are small changes, whatever the
loss does with them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from prunus.descriptors import Criterion, Descriptor
from prunus.granularity import WEIGHT
from prunus.groups import Group
from prunus.hookspecs import hookimpl
from prunus.network import Network


@hookimpl
def prunus_register() -> Iterable[Descriptor]:
    """One criterion."""
    return (Criterion("magnitude", "absolute value of each weight", unit=WEIGHT, comparable=True),)


@hookimpl
def prunus_rank(
    criterion: str,
    network: Network,
    group: Group,
    samples: Mapping[str, NDArray[np.float32]] | None,
    seed: int,
) -> NDArray[np.float64]:
    """Absolute values."""
    return np.abs(group.members[0].slices(network)).ravel()
