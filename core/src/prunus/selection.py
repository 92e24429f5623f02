"""Which units to keep when their number is given."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, milp

from prunus.groups import Group


def step_of(group: Group, multiple: int = 1) -> int:
    """Smallest number of units that can go at once: rows and ``multiple`` respected."""
    rows = [len(counts) for counts in group.rows if (counts.sum(0) == 1).all()]
    return math.lcm(multiple, *rows) if rows else multiple


def choose_units(group: Group, scores: NDArray[np.float64], count: int) -> NDArray[np.bool_]:
    """Keep the best ``count`` units, equal numbers in every row.

    Ties are broken by position. With rows the best feasible choice is an integer
    program (for two families of rows a transportation problem, whose relaxation
    is integral).

    Args:
        group: The group; rows come with it.
        scores: ``(C,)``, higher is kept.
        count: Units to keep, in [1, C]; with rows the next feasible number above.

    Returns:
        ``(C,)`` bool.
    """
    size = group.size
    count = min(max(count, 1), size)
    if group.rows:
        for number in range(count, size):
            found = _balanced(group, scores, number)
            if found is not None:
                return found
        return np.ones(size, bool)
    keep = np.zeros(size, bool)
    keep[np.argsort(-scores, kind="stable")[:count]] = True
    return keep


def _balanced(group: Group, scores: NDArray[np.float64], count: int) -> NDArray[np.bool_] | None:
    rank = np.empty(group.size)
    rank[np.argsort(scores, kind="stable")] = np.arange(1, group.size + 1)
    balance = np.concatenate([counts[1:] - counts[:1] for counts in group.rows])
    if not _can_balance(group, count):
        return None
    matrix = np.vstack([np.ones((1, group.size)), balance])
    target = np.r_[float(count), np.zeros(len(balance))]
    # ranks, not raw scores: the solver's tolerances then do not depend on the scale of weights
    found = milp(
        -(group.size + rank),
        constraints=LinearConstraint(matrix, target, target),
        integrality=np.ones(group.size),
        bounds=Bounds(0, 1),
    )
    return None if found.x is None else np.asarray(found.x > 0.5)


def _can_balance(group: Group, count: int) -> bool:
    """Cheap test: one channel a unit means the number must divide into rows."""
    return all(count % len(counts) == 0 for counts in group.rows if (counts.sum(0) == 1).all())
