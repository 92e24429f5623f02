"""Plans that remove more of a group the longer its multiply-accumulates take."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from prunus.planning.budget import Budget, Planning
from prunus.planning.search import Counts, Levels
from prunus.planning.target import crossing, even, nearest

if TYPE_CHECKING:
    from prunus.graph.macs import CostModel

_STRONGEST = 1.7
"""A group loses at most so many times the share of a group of average pace. Emptying the few
slowest groups would save the most time a multiply-accumulate, and leave nothing of what they
compute."""


def paced(planning: Planning, levels: Levels, budget: Budget) -> Callable[[float], Counts]:
    """Plans of kept shares (1 - t)^s, s the `strengths`: t in [0, 1] -> units kept ``(G,)``.

    Args:
        planning: Facts about the groups.
        levels: Feasible numbers of kept units, descending.
        budget: The target; its rate is the share of the cost that is to go.
    """
    sizes = planning.cost.sizes
    powers = strengths(planning, levels, budget)

    def plan(parameter: float) -> Counts:
        wanted = sizes * (1 - parameter) ** powers
        return np.array([nearest(lv, w) for lv, w in zip(levels, wanted, strict=True)], np.int64)

    return plan


def strengths(planning: Planning, levels: Levels, budget: Budget) -> NDArray[np.float64]:
    """``(G,)`` how much of the cost a group saves for the multiply-accumulates that it saves.

    Every group loses the same share there; 1 is the whole network's strength. A group that saves
    none of the cost has strength 0: it stays whole. Where the cost is multiply-accumulates, all are
    1, and plans by them those of `even`.

    Args:
        planning: Facts about the groups.
        levels: Feasible numbers of kept units, descending.
        budget: The target; its rate is the share of the cost that is to go.
    """
    # costs are quadratic functions: means of the slopes at both ends share out what is saved
    goal = planning.cost.total * (1 - (budget.rate or 0.0))
    equal = crossing(planning, goal, even(planning, levels))
    cost = _parts(planning.cost, equal)
    macs = _parts(planning.macs or planning.cost, equal)
    pace = np.divide(cost, macs, out=np.full(len(cost), np.inf), where=macs > 0)
    return np.asarray(np.minimum(np.where(cost > 0, pace, 0.0), _STRONGEST))


def _parts(model: CostModel, equal: Counts) -> NDArray[np.float64]:
    """``(G,)`` part of each group in what is saved where all lose the same share."""
    slopes = model.gradient(model.sizes) + model.gradient(equal)
    found = np.maximum(slopes, 0) * model.sizes
    return np.asarray(found / max(float(found.sum()), 1e-30))
