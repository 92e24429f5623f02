"""The costs that a budget limits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from prunus.costs.engine import Clock
from prunus.costs.file_size import file_cost
from prunus.costs.plan_times import time_cost
from prunus.graph.macs import CostModel
from prunus.graph.stored import parameter_cost
from prunus.planning.choose import Chooser


def costs_of(
    chooser: Chooser, clock: Clock, *, original: str | None = None, times: Path | None = None
) -> dict[str, CostModel]:
    """Field of the budget -> cost of every plan, for those that are set.

    Args:
        chooser: Makes the plans, for a budget.
        clock: Times networks, for a budget of time.
        original: Name of the model file, where there is one.
        times: File of measured times, where they are to be kept.
    """
    subject, budget = chooser.subject, chooser.budget
    makers: dict[str, Callable[[], CostModel]] = {
        "rate": lambda: subject.cost,
        "params": lambda: parameter_cost(subject.network, subject.grouping),
        "bytes": lambda: file_cost(chooser.host, subject, original),
        "latency": lambda: time_cost(clock, subject, chooser.facts, budget, times),
    }
    return {name: makers[name]() for name in budget.costs}
