"""Hitting a rate: from a one-parameter family of plans to the nearest reachable number of MACs."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from prunus.errors import PlanError
from prunus.planning.budget import Budget, Planning

Levels = list[NDArray[np.int64]]
Counts = NDArray[np.int64]

TOLERANCE = 0.01
"""A rate counts as hit within 1 % of itself (DESIGN section 7)."""


def check_reach(planning: Planning, levels: Levels, rate: float) -> None:
    """Refuse a rate no plan reaches.

    Raises:
        PlanError: nothing is prunable, or too little is.
    """
    if not planning.groups:
        raise PlanError("no prunable group: every channel is protected; 'prunus stat' lists the reasons")
    if not 0 <= rate < 1:
        raise PlanError(f"rate {rate:g} is not in [0, 1)")
    smallest = np.array([level[-1] for level in levels])
    most = 1 - planning.cost.macs(smallest) / planning.cost.total
    if rate > most * (1 + TOLERANCE):
        raise PlanError(
            f"rate {rate:g} is out of reach: removing all but the last channels of every group "
            f"saves {most:.4f}; ask for less, lower --multiple or exclude fewer layers"
        )


def bisect(
    planning: Planning, levels: Levels, rate: float, plan: Callable[[float], Counts]
) -> Counts:
    """Find the parameter in [0, 1] whose plan removes ``rate``, then refine by single steps."""
    goal = planning.cost.total * (1 - rate)
    low, high = 0.0, 1.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if planning.cost.macs(plan(middle)) > goal else (low, middle)
    return refine(planning, levels, plan(high), goal)


def refine(planning: Planning, levels: Levels, counts: Counts, goal: float) -> Counts:
    """Move single groups by single steps as long as that comes nearer to ``goal`` MACs."""
    places = [int(np.searchsorted(-level, -count)) for level, count in zip(levels, counts, strict=True)]
    best = abs(planning.cost.macs(counts) - goal)
    for _ in range(200):
        moves = []
        for index, level in enumerate(levels):
            for place in (places[index] - 1, places[index] + 1):
                if 0 <= place < len(level):
                    trial = counts.copy()
                    trial[index] = level[place]
                    moves.append((abs(planning.cost.macs(trial) - goal), index, place))
        if not moves or min(moves)[0] >= best:
            break
        best, index, place = min(moves)
        places[index] = place
        counts = counts.copy()
        counts[index] = levels[index][place]
    return counts


def all_levels(planning: Planning, budget: Budget) -> Levels:
    """Feasible numbers of kept units of every group."""
    return [planning.levels(group, budget.multiple) for group in planning.groups]


def named(planning: Planning, counts: Counts) -> Mapping[str, int]:
    """Counts by group name."""
    return {group.name: int(count) for group, count in zip(planning.groups, counts, strict=True)}


def nearest(level: NDArray[np.int64], wanted: float) -> int:
    """The feasible number nearest to ``wanted``, rounding up as the ancestor does."""
    above = level[level >= wanted - 1e-9]
    return int(above[-1]) if len(above) else int(level[0])
