"""Allocation ``sensitivity``: the least measured loss per MAC saved, group by group.

Every group starts whole; the step with the smallest growth of expected loss per MAC
saved is taken until the rate is reached (a greedy solution of the separable
allocation problem, exact on convex curves; compare NetAdapt, Yang et al., ECCV 2018).
A small penalty -e log(kept share) breaks ties between flat curves towards equal shares
and keeps the last channels of a group, whose loss no curve shows.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from prunus.descriptors import Descriptor, Policy
from prunus.errors import PlanError
from prunus.groups import Group
from prunus.hookspecs import hookimpl
from prunus.planning.budget import Budget, Planning
from prunus.planning.curves import convex, expected_loss
from prunus.planning.target import all_levels, check_reach, named, refine
from prunus.sensitivity import Sensitivity


@hookimpl
def prunus_register() -> Iterable[Descriptor]:
    """One allocation."""
    return (Policy("sensitivity", "least measured loss per MAC saved; needs 'prunus ana'", "mask"),)


@hookimpl
def prunus_mask(policy: str, planning: Planning, budget: Budget) -> dict[str, NDArray[np.bool_]]:
    """Greedy by marginal loss per MAC, or the threshold group by group."""
    if planning.sensitivity is None:
        raise PlanError(
            "allocation 'sensitivity' needs measured curves: those that 'prunus ana' leaves in the "
            "workspace, or sensitivity= from Python"
        )
    levels = all_levels(planning, budget)
    measured = planning.sensitivity
    losses = [_losses(measured, g, lv) for g, lv in zip(planning.groups, levels, strict=True)]
    if budget.rate is None:
        counts = _within(levels, losses, budget.threshold or 0.0)
        return planning.keep(named(planning, counts))
    check_reach(planning, levels, budget)
    sizes = planning.cost.sizes
    penalty = _penalty(measured)
    prices = [
        convex((size - level).astype(float), loss - penalty * np.log(level / size))
        for size, level, loss in zip(sizes, levels, losses, strict=True)
    ]
    counts = _greedy(planning, levels, prices, budget.rate)
    goal = planning.cost.total * (1 - budget.rate)
    return planning.keep(named(planning, refine(planning, levels, counts, goal, prices)))


def _losses(
    sensitivity: Sensitivity, group: Group, level: NDArray[np.int64]
) -> NDArray[np.float64]:
    curve = sensitivity.curve(group.name)
    if curve is None or curve.size != group.size:
        raise PlanError(
            f"group '{group.name}' of {group.size} {group.unit}s was not analysed; run 'prunus "
            "ana' again, with the same --exclude"
        )
    return expected_loss(sensitivity, curve, level)


def _within(
    levels: list[NDArray[np.int64]], losses: list[NDArray[np.float64]], threshold: float
) -> NDArray[np.int64]:
    """The largest ratio of each group whose own loss stays within the threshold."""
    counts = []
    for level, loss in zip(levels, losses, strict=True):
        # 0.8 - 0.7 is a little more than 0.1: a loss of just the threshold is within it
        allowed = np.flatnonzero(loss <= threshold + 1e-9)
        counts.append(level[allowed[-1]] if len(allowed) else level[0])
    return np.array(counts, np.int64)


def _penalty(sensitivity: Sensitivity) -> float:
    """Scale of the tie-breaking penalty: what the measurement cannot tell from zero."""
    return max(sensitivity.baseline.error, 0.002 * abs(sensitivity.baseline.value), 1e-6)


def _greedy(
    planning: Planning,
    levels: list[NDArray[np.int64]],
    total: list[NDArray[np.float64]],
    rate: float,
) -> NDArray[np.int64]:
    cost, positions = planning.cost, np.zeros(len(levels), np.int64)
    counts = np.array([level[0] for level in levels], np.int64)
    macs, gradient, curvature = cost.macs(counts), cost.gradient(counts), cost.curvature
    goal = cost.total * (1 - rate)

    def price(index: int) -> float:
        position = int(positions[index])
        step = levels[index][position] - levels[index][position + 1]
        saved = float(gradient[index]) * float(step)
        return float(total[index][position + 1] - total[index][position]) / max(saved, 1e-9)

    queue = [(price(index), index) for index in range(len(levels)) if len(levels[index]) > 1]
    heapq.heapify(queue)
    while macs > goal and queue:
        _, index = heapq.heappop(queue)
        # what a step saves has shrunk if neighbouring groups were pruned since it was queued
        now = price(index)
        if queue and now > queue[0][0]:
            heapq.heappush(queue, (now, index))
            continue
        positions[index] += 1
        change = float(levels[index][positions[index]] - counts[index])
        counts[index] = levels[index][positions[index]]
        # MACs are quadratic: what other groups save changes by one row of the second derivatives
        near = slice(curvature.indptr[index], curvature.indptr[index + 1])
        before = gradient[index]
        gradient[curvature.indices[near]] += curvature.data[near] * change
        macs += change * float(before + gradient[index]) / 2
        if positions[index] + 1 < len(levels[index]):
            heapq.heappush(queue, (price(index), index))
    return counts
