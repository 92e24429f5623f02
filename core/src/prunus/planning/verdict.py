"""Notes on a plan that misses its rate, and its refusal."""

from __future__ import annotations

from collections.abc import Mapping

import attrs
import numpy as np
from numpy.typing import NDArray

from prunus.errors import PlanError
from prunus.planning.budget import Budget, Planning
from prunus.planning.target import TOLERANCE, all_levels, bisect, even
from prunus.prunable import Prunable

Keep = Mapping[str, NDArray[np.bool_]]

MISS = 0.1
"""Share of the rate by which a plan may miss it without ``--best-effort``."""


def verdict(subject: Prunable, budget: Budget, keep: Keep, present: Keep) -> str | None:
    """A true sentence where the rate is hit only as nearly as whole channels allow.

    Args:
        subject: The network and its groups.
        budget: The target.
        keep: The plan: group name -> ``(C,)`` bool, True for kept.
        present: The same of what was there before.

    Raises:
        PlanError: the plan removes nothing, or misses the rate by more than a tenth of it, and
            the budget does not ask for the best there is.
    """
    if budget.rate == 0:
        return None
    said = _missed(subject, budget, keep, present)
    if said is None or budget.best_effort:
        return said
    removed = subject.rate(keep)
    if removed == 0 or (budget.rate and abs(removed - budget.rate) > MISS * budget.rate):
        raise PlanError(f"{said}; --best-effort takes the nearest plan")
    return said


def _missed(subject: Prunable, budget: Budget, keep: Keep, present: Keep) -> str | None:
    rate, removed, before = budget.rate, subject.rate(keep), subject.rate(present)
    if rate is None:
        if removed > 0:
            return None
        return (
            f"the plan removes nothing: every group loses more than {budget.threshold:g} by its "
            "smallest step; raise --threshold"
        )
    if abs(removed - rate) <= TOLERANCE * rate:
        return None
    if removed == before and removed > rate:
        return (
            f"rate {rate:g} was asked, but channels that are gone already save {removed:.4f} of "
            "the MACs; ask for more, or remove them with 'prunus transform'"
        )
    planning = _planning(subject, present)
    if removed == before:
        said = f"rate {rate:g} was asked, but the least that whole channels can save"
        said += f" is {_smallest(planning, budget):.4f}"
    else:
        said = f"rate {rate:g} was asked, {removed:.4f} is the nearest found with whole channels"
    if budget.multiple == 1:
        return said
    finer = _nearest(planning, attrs.evolve(budget, multiple=1))
    nearer = abs(finer - rate) < abs(removed - rate) * (1 - TOLERANCE)
    helps = f"; --multiple 1 may come to {finer:.4f}" if nearer else ""
    return f"{said} in multiples of {budget.multiple}{helps}"


def _planning(subject: Prunable, present: Keep) -> Planning:
    """A rate depends on the number of kept units only."""
    groups = subject.grouping.groups
    whole = {group.name: present.get(group.name, np.ones(group.size, bool)) for group in groups}
    return Planning(groups, {}, whole, subject.cost, None)


def _nearest(planning: Planning, budget: Budget) -> float:
    """The rate nearest to the one asked for that was found."""
    assert budget.rate is not None
    levels = all_levels(planning, budget)
    counts = bisect(planning, levels, budget.rate, even(planning, levels))
    return float(1 - planning.cost.macs(counts) / planning.cost.total)


def _smallest(planning: Planning, budget: Budget) -> float:
    """The least rate above the present one that a step of one group gives."""
    levels = all_levels(planning, budget)
    whole = np.array([level[0] for level in levels], np.int64)
    steps = np.repeat(whole[None], len(levels), axis=0)
    steps[np.diag_indices(len(levels))] = [level[min(1, len(level) - 1)] for level in levels]
    rates = 1 - planning.cost.macs_of(steps) / planning.cost.total
    able = [len(level) > 1 for level in levels]
    return float(rates[able].min()) if any(able) else float(rates.max())
