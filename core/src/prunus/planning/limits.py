"""The costs that a plan has to come down to: a budget in the terms of the planner."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import attrs
import numpy as np
from numpy.typing import NDArray

from prunus.errors import PlanError
from prunus.graph.macs import CostModel
from prunus.planning.budget import Budget, Planning
from prunus.planning.target import TOLERANCE, all_levels, least, out_of_reach

Keep = Mapping[str, NDArray[np.bool_]]
"""Group name -> ``(C,)`` bool, True for kept."""

_AIM = 0.995
"""A file is aimed at this share of its limit, and hit within 0.4 % of it."""

_PART = 0.004


@attrs.frozen(eq=False)
class ShareLimit:
    """A share of a cost is to go.

    Attributes:
        name: Field of `Budget`.
        cost: Cost of every plan.
        share: Share of it to remove, in [0, 1).
        of: Whole that the share is of, for messages.
    """

    name: str
    cost: CostModel
    share: float
    of: str

    @property
    def asked(self) -> str:
        """``rate 0.5``."""
        return f"{self.name} {self.share:g}"

    def shown(self, cost: float) -> str:
        """The share that is gone: ``0.4213``."""
        return f"{self.removed(cost):.4f}"

    def effect(self, cost: float) -> str:
        """The same as the end of "removing …": ``saves 0.4213 of the parameters``."""
        return f"saves {self.shown(cost)}" + ("" if self.name == "rate" else f" of the {self.of}")

    @property
    def easier(self) -> str:
        """What to ask for where this is too much."""
        return "less"

    def missed(self, cost: float) -> float:
        """By how much a cost is too high, relative to the share; negative where it is too low."""
        return (self.share - self.removed(cost)) / self.share if self.share else 0.0

    def removed(self, cost: float) -> float:
        """The share that is gone."""
        return float(1 - cost / self.cost.total)


@attrs.frozen(eq=False)
class SizeLimit:
    """A cost is to come down to a size.

    Attributes:
        name: Field of `Budget`.
        cost: Cost of every plan; its `allowance` is set for the goal.
        goal: The size, in the unit of the cost.
    """

    name: str
    cost: CostModel
    goal: float

    @classmethod
    def of(cls, name: str, cost: CostModel, goal: float) -> SizeLimit:
        """The limit with the precision that its goal needs."""
        return cls(name, attrs.evolve(cost, allowance=_PART * goal), goal)

    @property
    def share(self) -> float:
        """Share to remove for a little less than the goal."""
        return max(0.0, 1 - _AIM * self.goal / self.cost.total)

    @property
    def asked(self) -> str:
        """``bytes 2,000,000``."""
        return f"{self.name} {self.goal:,.0f}"

    def shown(self, cost: float) -> str:
        """``1,998,123``."""
        return f"{cost:,.0f}"

    def effect(self, cost: float) -> str:
        """The same as the end of "removing …": ``leaves 1,998,123 bytes``."""
        return f"leaves {self.shown(cost)} {self.cost.counted}"

    @property
    def easier(self) -> str:
        """What to ask for where this is too much."""
        return "more"

    def missed(self, cost: float) -> float:
        """By how much a cost is too high, relative to the goal; negative where it is too low."""
        return (cost - self.goal) / self.goal


Limit: TypeAlias = ShareLimit | SizeLimit
"""One cost, and how far it has to come down."""


def limits_of(budget: Budget, costs: Mapping[str, CostModel]) -> tuple[Limit, ...]:
    """The limits of a budget, in the order in which a plan meets them.

    Args:
        budget: The target.
        costs: Field of the budget -> cost of every plan, for those that are set.

    Raises:
        PlanError: a size is not smaller than the network is.
    """
    found: list[Limit] = []
    for name in budget.costs:
        asked, cost = getattr(budget, name), costs[name]
        if name != "bytes":
            of = "measured time" if name == "latency" else cost.counted
            found.append(ShareLimit(name, cost, asked, of))
            continue
        size = SizeLimit.of(name, cost, asked)
        if size.goal >= cost.total:
            raise PlanError(
                f"{size.asked} leaves the network whole: it has {size.shown(cost.total)} "
                f"{cost.counted}; ask for less"
            )
        found.append(size)
    return tuple(found)


def reached(limit: Limit, keep: Keep) -> dict[str, str | float]:
    """Name, number asked for and number that a plan comes to, in the unit of the budget."""
    cost = limit.cost.macs(limit.cost.kept(keep))
    if isinstance(limit, ShareLimit):
        return {"budget": limit.name, "asked": limit.share, "reached": limit.removed(cost)}
    return {"budget": limit.name, "asked": limit.goal, "reached": round(cost)}


def is_met(limit: Limit, keep: Keep) -> bool:
    """Whether a plan comes down to a limit, within the tolerance of a rate."""
    return limit.missed(limit.cost.macs(limit.cost.kept(keep))) <= TOLERANCE


def check_limit(limit: Limit, planning: Planning, budget: Budget) -> None:
    """Refuse a limit that no plan meets, unless the best there is will do.

    Raises:
        PlanError: says how far a plan can come.
    """
    if not planning.groups or budget.best_effort:
        return  # an allocation says itself that it has nothing to divide
    smallest = least(planning, all_levels(planning, budget))
    if limit.missed(smallest) > TOLERANCE:
        coarse = is_coarse(planning, budget)
        raise out_of_reach(limit.asked, limit.effect(smallest), limit.easier, coarse=coarse)


def is_coarse(planning: Planning, budget: Budget) -> bool:
    """Whether kept channels are multiples of some number."""
    return budget.multiple > 1 or any(of > 1 for of in planning.multiples.values())


def met_by_turns(
    limits: Sequence[Limit], keep: Keep, further: Callable[[Limit, Keep], Keep]
) -> Keep:
    """A plan that meets every limit: for each that it misses, it removes more.

    Args:
        limits: What to come down to.
        keep: Units that are there.
        further: Plan for one limit that removes units of another plan only.
    """
    for limit in limits:
        if not is_met(limit, keep) or limit is limits[0]:
            keep = further(limit, keep)
    return keep
