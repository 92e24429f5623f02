"""Criterion ``thinet``: what the consumers' outputs lose if nothing takes over.

Channels go one after the other, always the one by which the squared sum of all lost contributions
grows least (Luo et al., ThiNet, ICCV 2017, eq. 6 and algorithm 1, with all outputs of the consumers
in place of drawn ones). Means of contributions are left out: they are folded into biases.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from prunus.descriptors import Criterion, Descriptor
from prunus.groups import Group
from prunus.hookspecs import hookimpl
from prunus.methods.elimination import LeastSquares
from prunus.methods.members import Samples, magnitude
from prunus.network import Network


@hookimpl
def prunus_register() -> Iterable[Descriptor]:
    """One criterion."""
    return (
        Criterion(
            "thinet",
            "output variance of the consumers lost without compensation; needs samples",
            needs_samples=True,
            together=True,
        ),
    )


@hookimpl
def prunus_rank_all(
    criterion: str, network: Network, groups: Sequence[Group], samples: Samples, seed: int
) -> dict[str, NDArray[np.float64]]:
    """Shares of variance lost once a unit has gone; by magnitude where no consumer tells."""
    from prunus.methods.consumer_fits import consumer_fits

    return {
        group.name: greedy_losses(problems) if problems else magnitude(network, group)
        for group, problems in consumer_fits(network, groups, samples, seed)
    }


def greedy_losses(problems: Sequence[LeastSquares]) -> NDArray[np.float64]:
    """``(C,)`` share of variance lost once a unit has gone, and all before it.

    Args:
        problems: One a consumer, with the same units; their shares are averaged.
    """
    products = np.mean([_contributions(problem) for problem in problems], axis=0)
    growth = products.diagonal().copy()
    lost, scores = 0.0, np.zeros(len(products))
    alive = np.arange(len(products))
    while len(alive):
        cheapest = int(np.argmin(growth[alive]))
        unit = alive[cheapest]
        # the loss may fall where contributions cancel; the order must still rise
        lost += max(float(growth[unit]), 0.0) + 1e-12
        scores[unit] = lost
        growth += 2 * products[unit]
        alive = np.delete(alive, cheapest)
    return scores


def _contributions(problem: LeastSquares) -> NDArray[np.float64]:
    """``(C, C)`` covariances of the units' contributions, as shares of the outputs' variance."""
    weights = problem.weights
    whole = max(float(np.sum(weights * (problem.products @ weights))), 1e-30)
    pairs = problem.products * (weights @ weights.T)
    rows = pairs[problem.blocks].sum(1)  # (C, K)
    return np.asarray(rows.T[problem.blocks].sum(1).T / whole)
