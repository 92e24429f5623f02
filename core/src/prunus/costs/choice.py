"""The costs that a budget limits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import attrs

from prunus.costs.clock import Clock
from prunus.costs.file_size import file_cost
from prunus.costs.plan_times import time_costs
from prunus.graph.macs import CostModel
from prunus.graph.stored import parameter_cost
from prunus.planning.budget import Budget, Planning
from prunus.planning.choose import Chooser
from prunus.planning.multiple import rival_multiples
from prunus.planning.pace import paced
from prunus.planning.target import all_levels, bisect

_MISSED = 0.05
"""Part of the time asked for by which a plan of coarse steps may miss it."""


def priced(
    chooser: Chooser, clock: Clock, *, original: str | None = None, times: Path | None = None
) -> tuple[Chooser, dict[str, CostModel]]:
    """Costs of plans, and the chooser of plans with the numbers of channels that are fast.

    Args:
        chooser: Makes the plans, for a budget.
        clock: Times networks, for a budget of time.
        original: Name of the model file, where there is one.
        times: File of measured times, where they are to be kept.

    Returns:
        The chooser: as it was, or with other multiples where time is limited and the clock prefers
        those. Field of the budget -> cost of every plan, for those that are set.
    """
    subject, budget = chooser.subject, chooser.budget
    makers: dict[str, Callable[[], CostModel]] = {
        "rate": lambda: subject.cost,
        "params": lambda: parameter_cost(subject.network, subject.grouping),
        "bytes": lambda: file_cost(chooser.host, subject, original),
    }
    costs = {name: makers[name]() for name in budget.costs if name in makers}
    if budget.latency is None:
        return chooser, costs
    facts, costs["latency"] = _fastest(chooser, clock, times)
    return attrs.evolve(chooser, facts=facts), costs


def _fastest(chooser: Chooser, clock: Clock, times: Path | None) -> tuple[Planning, CostModel]:
    """The multiples by which a plan without measured losses saves the time with fewest MACs."""
    subject, facts, budget = chooser.subject, chooser.facts, chooser.budget
    ways = [facts]
    if facts.multiples:  # nobody asked for a number
        rivals = rival_multiples(subject.grouping.groups)
        ways += [attrs.evolve(facts, multiples=multiples) for multiples in rivals]
    costs = time_costs(clock, subject, ways, budget, times)
    found = list(zip(ways, costs, strict=True))
    return min(found, key=lambda way: _macs_removed(subject.cost, way[0], way[1], budget))


def _macs_removed(macs: CostModel, facts: Planning, cost: CostModel, budget: Budget) -> float:
    """Share of the MACs that go for the time asked for; more than all where it is not reached."""
    planning, wanted = attrs.evolve(facts, cost=cost), budget.latency or 0.0
    levels = all_levels(planning, budget)
    counts = bisect(planning, levels, wanted, paced(planning, levels, budget.only(wanted)))
    saved = 1 - cost.macs(counts) / cost.total
    removed = 1 - macs.macs(counts) / macs.total
    return removed if abs(saved - wanted) <= _MISSED * wanted else 1 + wanted - saved
