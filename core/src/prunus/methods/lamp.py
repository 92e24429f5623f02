"""Criterion ``lamp``: squared weight, as a share of those that outlive it in its layer.

score_w = w² / sum of v² over all weights v of the layer that are no smaller (Lee et al.,
Layer-adaptive Sparsity for the Magnitude-based Pruning, ICLR 2021, eq. 3). Scores of all layers are
in one unit: allocation ``global`` cuts them by one threshold, as the paper does.
"""

from __future__ import annotations

from collections.abc import Iterable

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
    return (
        Criterion(
            "lamp",
            "squared weight as a share of the larger ones of its layer",
            unit=WEIGHT,
            comparable=True,
        ),
    )


@hookimpl
def prunus_rank(criterion: str, network: Network, group: Group) -> NDArray[np.float64]:
    """Shares; equal weights have the same."""
    squares = group.members[0].slices(network).ravel() ** 2
    rising = np.sort(squares)
    left = np.cumsum(rising[::-1])[::-1]  # what is no smaller, in rising order
    outlived = left[np.searchsorted(rising, squares, side="left")]
    return np.divide(squares, outlived, out=np.zeros_like(squares), where=outlived > 0)
