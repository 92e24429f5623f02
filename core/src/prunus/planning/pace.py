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
    """Plans of kept shares (1 - t)^s: t in [0, 1] -> units kept ``(G,)``.

    The strength s of a group says what it saves of the cost (`Planning.cost`) for what it saves of
    the multiply-accumulates (`Planning.macs`), where every group loses the same share; 1 is the
    whole network's. A group that saves none of the cost stays whole. Where the cost is
    multiply-accumulates, all strengths are 1 and the plans those of `even`.

    Args:
        planning: Facts about the groups.
        levels: Feasible numbers of kept units, descending.
        budget: The target; its rate is the share of the cost that is to go.
    """
    sizes = planning.cost.sizes
    goal = planning.cost.total * (1 - (budget.rate or 0.0))
    strengths = _strengths(planning, crossing(planning, goal, even(planning, levels)))

    def plan(parameter: float) -> Counts:
        wanted = sizes * (1 - parameter) ** strengths
        return np.array([nearest(lv, w) for lv, w in zip(levels, wanted, strict=True)], np.int64)

    return plan


def _strengths(planning: Planning, equal: Counts) -> NDArray[np.float64]:
    """``(G,)`` strengths near a plan of equal shares.

    Costs are quadratic functions: means of the slopes at both ends share out what is saved.
    """
    cost = _parts(planning.cost, equal)
    macs = _parts(planning.macs or planning.cost, equal)
    pace = np.divide(cost, macs, out=np.full(len(cost), np.inf), where=macs > 0)
    return np.asarray(np.minimum(np.where(cost > 0, pace, 0.0), _STRONGEST))


def _parts(model: CostModel, equal: Counts) -> NDArray[np.float64]:
    """``(G,)`` part of each group in what is saved where all lose the same share."""
    slopes = model.gradient(model.sizes) + model.gradient(equal)
    found = np.maximum(slopes, 0) * model.sizes
    return np.asarray(found / max(float(found.sum()), 1e-30))
