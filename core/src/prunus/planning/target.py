"""Hitting a rate: from a one-parameter family of plans to the nearest reachable number of MACs."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from prunus.errors import PlanError
from prunus.planning.budget import Budget, Planning

Levels = list[NDArray[np.int64]]
Counts = NDArray[np.int64]
Prices = list[NDArray[np.float64]]

_PLANS = 50_000
"""Plans looked at in one step of `refine`."""

_DEARER = 2.5
"""How many times the price of the nearest plan a rate may cost that is hit."""

TOLERANCE = 0.01
"""A rate counts as hit within 1 % of itself (DESIGN section 7)."""


def check_reach(planning: Planning, levels: Levels, rate: float) -> None:
    """Refuse a rate no plan reaches.

    Raises:
        PlanError: nothing is prunable, or too little is.
    """
    if not planning.groups:
        raise PlanError(
            "no prunable group: every channel is protected; 'prunus stat' lists the reasons"
        )
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


def refine(
    planning: Planning, levels: Levels, counts: Counts, goal: float, prices: Prices | None = None
) -> Counts:
    """Hit ``goal`` MACs by leaving a plan as little as possible.

    Plans nearby are looked at in growing circles, around the plan and then around the end of
    a walk of single steps towards the goal; of the first circle that holds plans within half
    the tolerance the cheapest is taken. Where no circle does, a plan further away may hit the
    goal (many fine steps of one group for a coarse one of another); it is taken unless it costs
    more than `_DEARER` times as much as the nearest plan seen. Else the nearest is.

    Args:
        planning: Groups and cost model.
        levels: Feasible numbers of kept units, descending.
        counts: The plan ``(G,)``.
        goal: MACs to come to.
        prices: Price of every level of every group; the squared share moved without it.
    """
    places = np.array(
        [np.searchsorted(-level, -count) for level, count in zip(levels, counts, strict=True)]
    )
    if prices is None:
        prices = [((lv - c) / lv[0]) ** 2 for lv, c in zip(levels, counts, strict=True)]
    tolerance = TOLERANCE / 2 * abs(planning.cost.total - goal)
    best, least = places, np.inf
    for start in (places, _walk(planning, levels, places, goal, prices)):
        for reach in (0, 1, 2, 4, 8):
            moves = _moves(levels, start, reach)
            distance = _distance(planning, levels, moves, goal)
            near = moves[distance <= tolerance]
            if len(near):
                return _counts(levels, near[np.argmin(_price(prices, near))])
            if distance.min() < least:
                best, least = moves[distance.argmin()], distance.min()
    moves = _moves(levels, places, max(map(len, levels)))
    far = moves[_distance(planning, levels, moves, goal) <= tolerance]
    if len(far):
        paid = _price(prices, far)
        if paid.min() <= _DEARER * _price(prices, best[None])[0]:
            best = far[np.argmin(paid)]
    return _counts(levels, best)


def _counts(levels: Levels, places: NDArray[np.int64]) -> Counts:
    """Kept units ``(..., G)`` of places in the levels."""
    return np.stack([level[places[..., i]] for i, level in enumerate(levels)], -1)


def _distance(
    planning: Planning, levels: Levels, moves: NDArray[np.int64], goal: float
) -> NDArray[np.float64]:
    """MACs ``(P,)`` between plans and the goal."""
    return np.abs(planning.cost.macs_of(_counts(levels, moves)) - goal)


def _price(prices: Prices, moves: NDArray[np.int64]) -> NDArray[np.float64]:
    """Price ``(P,)`` of plans."""
    return np.asarray(np.sum([price[moves[:, i]] for i, price in enumerate(prices)], axis=0))


def _walk(
    planning: Planning, levels: Levels, places: NDArray[np.int64], goal: float, prices: Prices
) -> NDArray[np.int64]:
    """Single steps towards ``goal``, the cheapest for its MACs first, none beyond it."""
    places = places.copy()
    while True:
        counts = np.array([level[p] for level, p in zip(levels, places, strict=True)], np.int64)
        missing = planning.cost.macs(counts) - goal
        forward = 1 if missing > 0 else -1
        gradient = planning.cost.gradient(counts)
        steps = []
        for index, (level, place) in enumerate(zip(levels, places + forward, strict=True)):
            if 0 <= place < len(level):
                saved = gradient[index] * abs(level[place] - counts[index])
                if 0 < saved <= abs(missing):
                    paid = prices[index][place] - prices[index][places[index]]
                    steps.append((paid / saved, index))
        if not steps:
            return places
        places[min(steps)[1]] += forward


def _moves(levels: Levels, places: NDArray[np.int64], reach: int) -> NDArray[np.int64]:
    """Plans ``(P, G)`` nearby: single steps at reach 1, else combinations up to ``reach`` steps.

    Reach 0 is the plan itself.

    All groups move together while that stays a small number of plans, two at a time
    otherwise; networks of very many groups come near enough by single steps.
    """
    ranges = [
        np.arange(max(place - reach, 0), min(place + reach + 1, len(level)))
        for level, place in zip(levels, places, strict=True)
    ]
    together = 1 if reach <= 1 else len(ranges)
    while together > 1 and sum(map(_size, combinations(ranges, together))) > _PLANS:
        together = 2 if together > 2 else 1
    moves = [places[None]]
    for chosen in combinations(range(len(ranges)), min(together, len(ranges))):
        grid = np.stack(np.meshgrid(*(ranges[i] for i in chosen), indexing="ij"), -1)
        moved = np.repeat(places[None], grid[..., 0].size, axis=0)
        moved[:, chosen] = grid.reshape(-1, len(chosen))
        moves.append(moved)
    return np.concatenate(moves)


def _size(ranges: tuple[NDArray[np.int64], ...]) -> int:
    return math.prod(len(part) for part in ranges)


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
