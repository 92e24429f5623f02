"""Which units a group can keep: the one definition, for the planner and the selector alike."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from prunus.balance import Balance
from prunus.groups import Group, Indices

_SEARCHES = 64
"""Numbers of units looked for at most where only the solver can tell."""


def feasible_counts(group: Group, present: NDArray[np.bool_] | None = None) -> Indices:
    """Numbers of units that can stay, ``(n,)`` descending, the present number first.

    For each of them `choose_units` finds units that satisfy every balance constraint.
    Where only the solver can tell, these are some of them, at most 64 evenly spread.

    Args:
        group: The group.
        present: ``(C,)`` bool, False for units that are gone; all are there without it.
    """
    balance = Balance.of(group, present)
    whole = len(balance.units)
    if balance.regular:
        return np.arange(whole, 0, -balance.step)
    counts = [whole]
    stride = -(-whole // _SEARCHES)
    while (number := balance.below(counts[-1] - stride)) is not None:
        counts.append(number)
    return np.array(counts, np.int64)


def is_feasible(group: Group, keep: NDArray[np.bool_]) -> bool:
    """Whether these units ``(C,)`` satisfy every balance constraint of a group."""
    kept = [rows @ keep for rows in group.rows]
    gone = [int(multiple.counts @ ~keep) % multiple.of for multiple in group.multiples]
    return bool(keep.any()) and all((n == max(n[0], 1)).all() for n in kept) and not any(gone)


def choose_units(
    group: Group,
    scores: NDArray[np.float64],
    count: int,
    present: NDArray[np.bool_] | None = None,
) -> NDArray[np.bool_]:
    """Keep the best ``count`` units that satisfy every balance constraint.

    Ties are broken by position. With several constraints the best choice is an integer
    program (for two families of rows a transportation problem, whose relaxation
    is integral).

    Args:
        group: The group; its constraints come with it.
        scores: ``(C,)``, higher is kept.
        count: Units to keep, in [1, C]; where it is not feasible the next number above that is.
        present: ``(C,)`` bool, False for units that are gone; all are there without it.

    Returns:
        ``(C,)`` bool.
    """
    balance = Balance.of(group, present)
    number = balance.above(min(max(count, 1), len(balance.units)))
    keep = np.zeros(group.size, bool)
    keep[balance.units[balance.best(scores[balance.units], number)]] = True
    return keep
