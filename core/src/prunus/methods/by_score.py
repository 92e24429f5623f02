"""Allocation ``global``: units of all groups compete by normalised score.

Scores are divided by their group's mean (the ``mean`` normaliser of
DepGraph, Fang et al., CVPR 2023), unless the criterion's scores are comparable as they are.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from prunus.descriptors import Descriptor, Policy
from prunus.hookspecs import hookimpl
from prunus.planning.budget import Budget, Planning
from prunus.planning.target import asked, bisect, named, nearest


@hookimpl
def prunus_register() -> Iterable[Descriptor]:
    """One allocation."""
    return (Policy("global", "scores compete across groups, normalised; needs no data", "mask"),)


@hookimpl
def prunus_mask(policy: str, planning: Planning, budget: Budget) -> dict[str, NDArray[np.bool_]]:
    """Bisect the common score below which units go."""
    rate, levels = asked("global", planning, budget)
    scale = np.asarray if planning.comparable else _relative
    relative = [scale(planning.scores[group.name]) for group in planning.groups]
    edges = np.sort(np.concatenate(relative)) if relative else np.zeros(1)

    def plan(share: float) -> NDArray[np.int64]:
        # at share 1 the bound lies above every score, so that each group is at its least
        bound = np.quantile(edges, share) if share < 1 else np.inf
        wanted = [float((scores > bound).sum()) for scores in relative]
        return np.array([nearest(lv, w) for lv, w in zip(levels, wanted, strict=True)], np.int64)

    return planning.keep(named(planning, bisect(planning, levels, rate, plan)))


def _relative(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    mean = np.abs(scores).mean()
    return np.asarray(scores / mean if mean > 0 else scores)
