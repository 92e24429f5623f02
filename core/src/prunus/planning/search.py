"""Hitting a number of MACs: the plans near another one, and the cheapest or nearest of them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import combinations
from typing import TYPE_CHECKING

import attrs
import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from prunus.graph.macs import CostModel

Levels = list[NDArray[np.int64]]
Counts = NDArray[np.int64]
Positions = NDArray[np.int64]
Prices = list[NDArray[np.float64]]

_ALL = 300_000
"""Plans of a network that are all looked at."""

_PLANS = 50_000
"""Plans looked at in one circle around a plan of a larger network."""

_GROUPS = 48
"""Groups that move together in a circle; those of the most different steps where there are more."""

_PASSES = 100
"""Bound on the passes of `walk`."""

REACHES = (0, 1, 2, 4, 8)
"""Steps that each group may be away, circle by circle."""


@attrs.frozen(eq=False)
class Ladder:
    """Levels and prices of all groups, one after the other, addressed by position in the group.

    Attributes:
        levels: Feasible numbers of units of every group, descending.
        kept: ``(N,)`` all of them.
        price: ``(N,)`` their prices.
        start: ``(G,)`` where each group begins.
        length: ``(G,)`` levels of each group.
    """

    levels: Levels
    kept: Counts
    price: NDArray[np.float64]
    start: Positions
    length: Positions

    @classmethod
    def of(cls, levels: Levels, prices: Prices) -> Ladder:
        """The ladder of levels and their prices."""
        length = np.array([len(level) for level in levels], np.int64)
        start = np.cumsum(length) - length
        return cls(levels, np.concatenate(levels), np.concatenate(prices), start, length)

    def counts(self, positions: Positions) -> Counts:
        """Units ``(..., G)`` kept at positions ``(..., G)``."""
        return np.asarray(self.kept[self.start + positions])

    def total(self, positions: Positions) -> NDArray[np.float64]:
        """Price ``(...)`` of plans at positions ``(..., G)``."""
        return np.asarray(self.price[self.start + positions].sum(-1))

    def positions(self, counts: Counts) -> Positions:
        """Positions ``(G,)`` of numbers of units that are levels."""
        pairs = zip(self.levels, counts, strict=True)
        return np.array([np.searchsorted(-level, -count) for level, count in pairs], np.int64)


def search(
    cost: CostModel, ladder: Ladder, positions: Positions, goal: float, tolerance: float
) -> Positions:
    """The plan that hits a goal and costs least; the nearest where none hits it.

    All plans are compared where a network has at most 300,000. In others plans are looked at
    in growing circles, around a plan and then around the end of a search from there towards the
    goal; the cheapest of the first circle that holds plans within the tolerance is taken.

    Args:
        cost: MACs of plans.
        ladder: What can be chosen.
        positions: The plan to change as little as possible, ``(G,)`` positions.
        goal: MACs to come to.
        tolerance: MACs a plan may be away from the goal to hit it.
    """
    farthest = int(ladder.length.max())
    if math.prod(ladder.length.tolist()) <= _ALL:
        circle = _Circle.around(cost, ladder, positions)
        return circle.best(circle.moves(farthest, _ALL), goal, tolerance)[0]
    best, least = positions, math.inf
    for start in (positions, walk(cost, ladder, positions, goal)):
        circle = _Circle.around(cost, ladder, start)
        for reach in (*REACHES, farthest):
            found, distance = circle.best(circle.moves(reach, _PLANS), goal, tolerance)
            if distance <= tolerance:
                return found
            if distance < least:
                best, least = found, distance
    return _closer(cost, ladder, best, least, goal, tolerance)


def _closer(
    cost: CostModel,
    ladder: Ladder,
    positions: Positions,
    least: float,
    goal: float,
    tolerance: float,
) -> Positions:
    """Circles around the nearest plan found, as long as they come nearer."""
    while least > tolerance:
        circle = _Circle.around(cost, ladder, positions)
        found, distance = circle.best(
            circle.moves(int(ladder.length.max()), _PLANS), goal, tolerance
        )
        if distance >= least * (1 - 1e-9):
            break
        positions, least = found, distance
    return positions


@attrs.frozen(eq=False)
class _Circle:
    """A plan and some groups that may move; MACs are a quadratic function of their counts.

    Attributes:
        ladder: What can be chosen.
        positions: The plan ``(G,)``.
        groups: ``(S,)`` groups that move.
        macs: MACs of the plan.
        gradient: ``(S,)`` MACs of one more unit.
        curvature: ``(S, S)`` second derivatives.
    """

    ladder: Ladder
    positions: Positions
    groups: Positions
    macs: float
    gradient: NDArray[np.float64]
    curvature: NDArray[np.float64]

    @classmethod
    def around(cls, cost: CostModel, ladder: Ladder, positions: Positions) -> _Circle:
        """The circle of a plan; of many groups those whose steps save most different MACs."""
        counts = ladder.counts(positions)
        gradient = cost.gradient(counts)
        groups = np.flatnonzero(ladder.length > 1)
        if len(groups) > _GROUPS:
            near = np.where(positions + 1 < ladder.length, positions + 1, positions - 1)
            saved = gradient * np.abs(ladder.counts(near) - counts)
            order = groups[np.argsort(saved[groups], kind="stable")]
            spread = np.linspace(0, len(order) - 1, _GROUPS).round().astype(np.int64)
            groups = np.sort(order[spread])
        curvature = cost.curvature[groups][:, groups].toarray()
        return cls(ladder, positions, groups, cost.macs(counts), gradient[groups], curvature)

    def best(self, moves: Positions, goal: float, tolerance: float) -> tuple[Positions, float]:
        """The cheapest plan within the tolerance, else the nearest; with its distance in MACs.

        Args:
            moves: ``(P, S)`` positions of the groups that move.
            goal: MACs to come to.
            tolerance: MACs a plan may be away from it.
        """
        start = self.ladder.start[self.groups]
        change = self.ladder.kept[start + moves] - self.ladder.counts(self.positions)[self.groups]
        bent = ((change @ self.curvature) * change).sum(1) / 2
        distance = np.abs(self.macs + change @ self.gradient + bent - goal)
        chosen = int(distance.argmin())
        if distance[chosen] <= tolerance:
            hits = np.flatnonzero(distance <= tolerance)
            chosen = int(hits[self.ladder.price[start + moves[hits]].sum(1).argmin()])
        positions = self.positions.copy()
        positions[self.groups] = moves[chosen]
        return positions, float(distance[chosen])

    def moves(self, reach: int, most: int) -> Positions:
        """Positions ``(P, S)`` nearby: combinations of up to ``reach`` steps each.

        At reach 0 the plan itself, at reach 1 single steps of one group; else as many groups
        move together as that stays a number of plans up to ``most``.
        """
        here = self.positions[self.groups]
        if not len(here):
            return here[None]
        lengths = self.ladder.length[self.groups]
        ranges = [
            np.arange(max(position - reach, 0), min(position + reach + 1, length))
            for position, length in zip(here.tolist(), lengths.tolist(), strict=True)
        ]
        sizes = [len(part) for part in ranges]
        together = _together(sizes, most) if reach > 1 else 1
        found = [here[None]]
        for chosen in combinations(range(len(ranges)), min(together, len(ranges))):
            grid = np.stack(np.meshgrid(*(ranges[i] for i in chosen), indexing="ij"), -1)
            moved = np.repeat(here[None], grid[..., 0].size, axis=0)
            moved[:, chosen] = grid.reshape(-1, len(chosen))
            found.append(moved)
        return np.concatenate(found)


def _together(sizes: list[int], most: int) -> int:
    """How many groups can move together."""
    if math.prod(sizes) <= most:
        return len(sizes)
    for together in (3, 2):
        if sum(map(math.prod, combinations(sizes, together))) <= most:
            return together
    return 1


def walk(cost: CostModel, ladder: Ladder, positions: Positions, goal: float) -> Positions:
    """Single steps towards a goal, the cheapest for their MACs first, none beyond it."""
    for _ in range(_PASSES):
        counts = ladder.counts(positions)
        missing = cost.macs(counts) - goal
        step = 1 if missing > 0 else -1
        near = np.clip(positions + step, 0, ladder.length - 1)
        change = ladder.counts(near) - counts
        bent = cost.curvature.diagonal() * change**2 / 2
        saved = np.abs(cost.gradient(counts) * change + bent)
        able = np.flatnonzero((saved > 0) & (saved <= abs(missing)))
        if not len(able):
            break
        paid = ladder.price[ladder.start + near] - ladder.price[ladder.start + positions]
        order = able[np.argsort(paid[able] / saved[able], kind="stable")]
        for taken in _halves(int((np.cumsum(saved[order]) <= abs(missing)).sum())):
            moved = positions.copy()
            moved[order[:taken]] += step
            # steps of neighbours save less together, and bring back more
            if (cost.macs(ladder.counts(moved)) - goal) * step >= 0:
                break
        positions = moved
    return positions


def _halves(number: int) -> Iterator[int]:
    """A number, its half, …, and 1."""
    while number > 1:
        yield number
        number //= 2
    yield 1
