"""Notes on a plan that misses its budget, and its refusal."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import attrs
import numpy as np
from numpy.typing import NDArray

from prunus.errors import PlanError
from prunus.planning.budget import Budget, Planning
from prunus.planning.limits import Limit, limits_of
from prunus.planning.target import TOLERANCE, all_levels, bisect, even
from prunus.prunable import Prunable

Keep = Mapping[str, NDArray[np.bool_]]

MISS = 0.1
"""Share of a budget by which a plan may miss it without ``--best-effort``."""


IDLE = 0.01
"""Share of the reachable savings up to which a plan removes nearly nothing."""


def verdict(
    subject: Prunable,
    budget: Budget,
    keep: Keep,
    present: Keep,
    limits: Sequence[Limit] = (),
    *,
    owner: str = "the allocation",
) -> str | None:
    """A true sentence where the rate is hit only as nearly as whole channels allow.

    Args:
        subject: The network and its groups.
        budget: The target.
        keep: The plan: group name -> ``(C,)`` bool, True for kept.
        present: The same of what was there before.
        limits: Costs of the budget (`limits_of`); its rate alone without them.
        owner: Who made the plan, for messages: ``allocation 'mine' of acme 1.0``.

    A bound of the loss is no matter of counts.

    Raises:
        PlanError: the plan removes nothing, or misses a limit by more than a tenth of it, and
            the budget does not ask for the best there is.
    """
    limits = limits or limits_of(budget, {"rate": subject.cost})
    if not limits and budget.max_loss is not None:
        return None
    if not limits:
        return _judged(_empty(subject, budget, keep), budget, missed=math.inf)
    for limit in limits:
        missed = limit.missed(_cost(limit, keep))
        far = missed > TOLERANCE if len(limits) > 1 else abs(missed) > TOLERANCE
        if limit.share and far:
            said = _missed(subject, limit, budget, keep, present, owner)
            removed = subject.rate(keep)
            return _judged(said, budget, missed=abs(missed) if removed else math.inf)
    return None


def _judged(said: str | None, budget: Budget, *, missed: float) -> str | None:
    if said is not None and missed > MISS and not budget.best_effort:
        raise PlanError(f"{said}; --best-effort takes the nearest plan")
    return said


def _empty(subject: Prunable, budget: Budget, keep: Keep) -> str | None:
    if subject.rate(keep) > 0:
        return None
    if budget.density is not None:
        return "the plan removes nothing: every density leaves its group whole; lower one"
    return (
        f"the plan removes nothing: every group loses more than {budget.threshold:g} by its "
        "smallest step; raise --threshold"
    )


def _missed(
    subject: Prunable, limit: Limit, budget: Budget, keep: Keep, present: Keep, owner: str
) -> str:
    cost, before = _cost(limit, keep), _cost(limit, present)
    units = subject.granularity.units
    if cost == before and limit.missed(cost) < 0:
        already = limit.effect(before).replace("saves", "save").replace("leaves", "leave")
        whole = f" of the {limit.cost.counted}" if limit.name == "rate" else ""
        return (
            f"{limit.asked} was asked, but {units} that are gone already {already}{whole}; ask "
            "for more, or remove them with 'prunus transform'"
        )
    planning = _planning(subject, limit, present)
    nearest = _nearest(planning, limit, budget)
    nearer = abs(limit.missed(nearest)) < abs(limit.missed(cost)) - TOLERANCE
    if nearer and before - cost <= IDLE * (before - nearest):
        removed = f"{(before - cost) / limit.cost.total:.4f} of the {limit.cost.counted}"
        return f"{owner} removed {removed}, and {limit.asked} was asked"
    if cost == before:
        said = f"{limit.asked} was asked, but the least that whole {units} can save"
        said += f" is {limit.shown(_smallest(planning, budget))}"
    else:
        said = (
            f"{limit.asked} was asked, {limit.shown(cost)} is the nearest found with whole {units}"
        )
    if budget.multiple == 1:
        return said
    finer = _nearest(planning, limit, attrs.evolve(budget, multiple=1))
    nearer = abs(limit.missed(finer)) < abs(limit.missed(cost)) - TOLERANCE * abs(
        limit.missed(cost)
    )
    helps = f"; --multiple 1 may come to {limit.shown(finer)}" if nearer else ""
    return f"{said} in multiples of {budget.multiple}{helps}"


def _cost(limit: Limit, keep: Keep) -> float:
    return limit.cost.macs(limit.cost.kept(keep))


def _planning(subject: Prunable, limit: Limit, present: Keep) -> Planning:
    """A cost depends on the number of kept units only."""
    groups = subject.grouping.groups
    whole = {group.name: present.get(group.name, np.ones(group.size, bool)) for group in groups}
    return Planning(groups, {}, whole, limit.cost, None)


def _nearest(planning: Planning, limit: Limit, budget: Budget) -> float:
    """The cost nearest to the limit that was found."""
    levels = all_levels(planning, budget)
    counts = bisect(planning, levels, limit.share, even(planning, levels))
    return planning.cost.macs(counts)


def _smallest(planning: Planning, budget: Budget) -> float:
    """The cost next below the present one that a step of one group gives."""
    levels = all_levels(planning, budget)
    whole = np.array([level[0] for level in levels], np.int64)
    steps = np.repeat(whole[None], len(levels), axis=0)
    steps[np.diag_indices(len(levels))] = [level[min(1, len(level) - 1)] for level in levels]
    costs = planning.cost.macs_of(steps)
    able = [len(level) > 1 for level in levels]
    return float(costs[able].max()) if any(able) else float(costs.min())
