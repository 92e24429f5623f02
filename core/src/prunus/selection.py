"""Which units a group can keep: the one definition, for the planner and the selector alike."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from prunus.balance import Balance
from prunus.granularity import WEIGHT, Pattern
from prunus.groups import Group, Indices

_SEARCHES = 64
"""Numbers of units looked for at most where only the solver can tell."""

_STEPS = 2048
"""Numbers of single weights a layer may keep, evenly spread: a step is less than a thousandth."""


def feasible_counts(group: Group, present: NDArray[np.bool_] | None = None) -> Indices:
    """Numbers of units that can stay, ``(n,)`` descending, the present number first.

    For each of them `choose_units` finds units that satisfy every balance constraint.
    Where only the solver can tell, these are some of them, at most 64 evenly spread; of single
    weights at most 2,048.

    Args:
        group: The group.
        present: ``(C,)`` bool, False for units that are gone; all are there without it.
    """
    if group.pattern is not None:
        there = group.size if present is None else int(present.sum())
        least = group.size // group.pattern.of * group.pattern.kept
        return np.unique([there, min(there, least)])[::-1]
    balance = Balance.of(group, present)
    whole = len(balance.units)
    if group.unit == WEIGHT and whole > _STEPS:
        return np.linspace(whole, 1, _STEPS).astype(np.int64)
    if balance.regular:
        return np.arange(whole, 0, -balance.step)
    counts = [whole]
    stride = -(-whole // _SEARCHES)
    while (number := balance.below(counts[-1] - stride)) is not None:
        counts.append(number)
    return np.array(counts, np.int64)


def is_feasible(group: Group, keep: NDArray[np.bool_]) -> bool:
    """Whether these units ``(C,)`` satisfy every balance constraint of a group, and its pattern."""
    if group.pattern is not None:
        kept_of_each = keep.reshape(-1, group.pattern.of).sum(1)
        return bool(keep.all() or (kept_of_each == group.pattern.kept).all())
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
    if group.pattern is not None:
        return _patterned(group.pattern, scores, count, present)
    balance = Balance.of(group, present)
    number = balance.above(min(max(count, 1), len(balance.units)))
    keep = np.zeros(group.size, bool)
    keep[balance.units[balance.best(scores[balance.units], number)]] = True
    return keep


def fewest_units(group: Group, used: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The fewest units ``(C,)`` that can stay, with all ``used`` ones among them; at least one."""
    if used.all():
        return used
    count = max(int(used.sum()), 1)
    chosen = choose_units(group, used.astype(float), count)
    while not chosen[used].all():
        count = group.size if group.pattern is not None else count + 1
        chosen = choose_units(group, used.astype(float), count)
    return chosen


def _patterned(
    pattern: Pattern, scores: NDArray[np.float64], count: int, present: NDArray[np.bool_] | None
) -> NDArray[np.bool_]:
    """The best N of every M units, or all where more are asked for."""
    if count > scores.size // pattern.of * pattern.kept:
        return np.ones(scores.size, bool)
    there = scores if present is None else np.where(present, scores, -np.inf)
    blocks = there.reshape(-1, pattern.of)
    best = np.argsort(-blocks, axis=1, kind="stable")[:, : pattern.kept]
    keep = np.zeros(blocks.shape, bool)
    np.put_along_axis(keep, best, True, axis=1)
    return keep.ravel()
