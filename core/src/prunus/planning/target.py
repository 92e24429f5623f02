"""Hitting a rate: from a one-parameter family of plans to the nearest reachable number of MACs."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from prunus.errors import PlanError, UsageError
from prunus.planning.budget import Budget, Planning
from prunus.planning.search import Counts, Ladder, Levels, Prices, search

TOLERANCE = 0.01
"""A rate counts as hit within 1 % of itself (DESIGN section 7)."""


def asked(allocation: str, planning: Planning, budget: Budget) -> tuple[float, Levels]:
    """Rate and feasible numbers of kept units, for an allocation that divides a rate alone.

    Raises:
        UsageError: no rate is asked for.
        PlanError: no plan reaches it.
    """
    if budget.rate is None:
        raise UsageError(
            f"allocation '{allocation}' needs --rate; --threshold needs measured sensitivity"
        )
    levels = all_levels(planning, budget)
    check_reach(planning, levels, budget)
    return budget.rate, levels


def check_reach(planning: Planning, levels: Levels, budget: Budget) -> None:
    """Refuse a rate no plan reaches, unless the best there is will do.

    Raises:
        PlanError: nothing is prunable, or too little is.
    """
    rate = budget.rate or 0.0
    if not planning.groups:
        raise PlanError(
            "no prunable group: every channel is protected; 'prunus stat' lists the reasons"
        )
    if not 0 <= rate < 1:
        raise PlanError(f"rate {rate:g} is not in [0, 1)")
    most = 1 - least(planning, levels) / planning.cost.total
    if rate > most * (1 + TOLERANCE) and not budget.best_effort:
        raise out_of_reach(f"rate {rate:g}", f"saves {most:.4f}", coarse=budget.multiple > 1)


def least(planning: Planning, levels: Levels) -> float:
    """Cost that no plan comes below."""
    return planning.cost.macs(np.array([level[-1] for level in levels], np.int64))


def out_of_reach(asked: str, most: str, easier: str = "less", *, coarse: bool) -> PlanError:
    """The refusal of a budget that no plan meets.

    Args:
        asked: The budget.
        most: Effect of the plan that removes most.
        easier: What to ask for instead: ``less``, ``more``.
        coarse: Kept channels are multiples of some number.
    """
    finer = ", lower --multiple" if coarse else ""
    return PlanError(
        f"{asked} is out of reach: removing all but the last channels of every group {most}; ask "
        f"for {easier}{finer} or take what there is with --best-effort"
    )


def bisect(
    planning: Planning, levels: Levels, rate: float, plan: Callable[[float], Counts]
) -> Counts:
    """Find the parameter in [0, 1] whose plan removes ``rate``, then leave it for the rate."""
    goal = planning.cost.total * (1 - rate)
    return refine(planning, levels, crossing(planning, goal, plan), goal)


def crossing(planning: Planning, goal: float, plan: Callable[[float], Counts]) -> Counts:
    """The first plan of parameters from 0 to 1 that costs no more than ``goal``, or the last."""
    low, high = 0.0, 1.0
    below, above = plan(low), plan(high)
    while high - low > 1e-9 and not np.array_equal(below, above):
        middle = (low + high) / 2
        found = plan(middle)
        if planning.cost.macs(found) > goal:
            low, below = middle, found
        else:
            high, above = middle, found
    return above


def even(planning: Planning, levels: Levels) -> Callable[[float], Counts]:
    """Plans of one ratio in every group: ratio in [0, 1] -> units kept ``(G,)``."""

    def plan(ratio: float) -> Counts:
        wanted = [group.size * (1 - ratio) for group in planning.groups]
        return np.array([nearest(lv, w) for lv, w in zip(levels, wanted, strict=True)], np.int64)

    return plan


def equal_shares(planning: Planning, goal: float) -> NDArray[np.float64]:
    """Units ``(G,)`` of one ratio in every group that cost ``goal``, not rounded."""
    from scipy.optimize import brentq  # slow to import

    sizes = np.array([group.size for group in planning.groups], np.float64)
    present = np.array([planning.present[group.name].sum() for group in planning.groups])

    def kept(ratio: float) -> NDArray[np.float64]:
        return np.asarray(np.minimum(present, sizes * (1 - ratio)))

    def missing(ratio: float) -> float:
        return planning.cost.macs(kept(ratio)) - goal

    if missing(0.0) <= 0:
        return kept(0.0)
    return kept(float(brentq(missing, 0.0, 1.0)) if missing(1.0) < 0 else 1.0)


def refine(
    planning: Planning, levels: Levels, counts: Counts, goal: float, prices: Prices | None = None
) -> Counts:
    """Hit ``goal`` MACs by changing a plan as little as possible.

    Half the tolerance makes a hit; of the plans that hit, the cheapest found is taken, and
    the nearest where none does.

    Args:
        planning: Groups and cost model.
        levels: Feasible numbers of kept units, descending.
        counts: The plan ``(G,)``.
        goal: MACs to come to.
        prices: Price of every level of every group; the squared share moved without it.
    """
    if prices is None:
        prices = [((lv - c) / lv[0]) ** 2 for lv, c in zip(levels, counts, strict=True)]
    ladder = Ladder.of(levels, prices)
    allowed = planning.cost.allowance
    tolerance = TOLERANCE / 2 * abs(planning.cost.total - goal) if allowed is None else allowed
    return ladder.counts(search(planning.cost, ladder, ladder.positions(counts), goal, tolerance))


def all_levels(planning: Planning, budget: Budget) -> Levels:
    """Feasible numbers of kept units of every group."""
    return [planning.levels(group, budget.multiple) for group in planning.groups]


def named(planning: Planning, counts: Counts) -> Mapping[str, int]:
    """Counts by group name."""
    return {group.name: int(count) for group, count in zip(planning.groups, counts, strict=True)}


def below(level: NDArray[np.int64], wanted: float) -> int:
    """The largest feasible number that is smaller than ``wanted``, or the smallest of all."""
    lower = level[level < wanted - 1e-9]
    return int(lower[0] if len(lower) else level[-1])


def nearest(level: NDArray[np.int64], wanted: float) -> int:
    """The feasible number nearest to ``wanted``, rounding up as the legacy tools do."""
    above = level[level >= wanted - 1e-9]
    return int(above[-1]) if len(above) else int(level[0])
