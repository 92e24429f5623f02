"""Criterion ``l1``: mean magnitude of everything that goes with a unit.

score_c = mean over members of  |w_c|_1 / mean_c' |w_c'|_1, with the filters that make the
unit and the weights that read it as members (Li et al., Pruning Filters for Efficient
ConvNets, ICLR 2017; group form as in DepGraph, Fang et al., CVPR 2023).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from prunus.descriptors import Criterion, Descriptor
from prunus.groups import Group
from prunus.hookspecs import hookimpl
from prunus.methods.members import magnitude
from prunus.network import Network


@hookimpl
def prunus_register() -> Iterable[Descriptor]:
    """One criterion."""
    return (Criterion("l1", "mean absolute weight of all members of the group"),)


@hookimpl
def prunus_rank(
    criterion: str,
    network: Network,
    group: Group,
    samples: Mapping[str, NDArray[np.float32]] | None,
    seed: int,
) -> NDArray[np.float64]:
    """Sum of magnitudes, member by member."""
    return magnitude(network, group)
