"""Conformance of allocations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import TypeAlias

import attrs
import numpy as np
from numpy.typing import NDArray

from prunus.descriptors import Policy
from prunus.errors import PlanError, UsageError
from prunus.evaluation.random_inputs import random_inputs
from prunus.host import Host, start
from prunus.planning.budget import Budget, Planning
from prunus.planning.choose import trials_of
from prunus.planning.verdict import MISS
from prunus.prunable import Prunable, prunable
from prunus.selection import choose_units, is_feasible
from prunus.sensitivity import Curve, Point, Sensitivity
from prunus.task import Measurement
from prunus.testing.check import Check, ExpectedFailures, named_checks
from prunus.testing.checks_plugin import one_line, plugin_checks
from prunus.testing.nets import NETS, as_network

FORMS = ("lenet", "resnet_padded", "resnext", "shufflenet_v2")
"""Networks that are planned: joined, depthwise and grouped channels among them."""

BUDGETS = (
    Budget(rate=0.3, multiple=1),
    Budget(rate=0.5, multiple=1),
    Budget(rate=0.3, multiple=2, best_effort=True),
    Budget(threshold=0.05, multiple=1),
)

Keep = Mapping[str, NDArray[np.bool_]]

_Plan: TypeAlias = tuple[str, Prunable, Planning, Budget, Keep]
"""Words for messages, the network, its facts, what was asked and what came of it."""


@attrs.frozen(eq=False, slots=False)
class _Subject:
    """The allocation under test."""

    name: str
    host: Host | None
    _plans: dict[str, list[_Plan]] = attrs.field(factory=dict, init=False)

    def plan(self, planning: Planning, budget: Budget) -> Keep | None:
        """A plan, or ``None`` where the allocation says that it cannot meet the budget.

        An allocation for rates alone may say so with a `UsageError` where it gets a threshold.
        """
        try:
            keep: Keep = (self.host or start()).call(
                Policy, self.name, "prunus_mask", planning=planning, budget=budget
            )
        except PlanError as error:
            one_line(error)
            return None
        except UsageError as error:
            if budget.rate is not None:
                raise AssertionError(
                    f"{self.name} refuses a rate as wrong usage: {error}"
                ) from error
            one_line(error, "rate")
            return None
        return keep

    def plans_of(self, form: str) -> list[_Plan]:
        """Every plan it makes of a network, whole and where it lost channels before."""
        if form not in self._plans:
            network = _form(form)
            whole = planning_of(network, _whole(network))
            pruned = planning_of(network, _pruned(network))
            asked = [*((whole, budget) for budget in BUDGETS), (pruned, BUDGETS[0])]
            self._plans[form] = [
                (f"{self.name}, {form}", network, planning, budget, keep)
                for planning, budget in asked
                if (keep := self.plan(planning, budget)) is not None
            ]
        return self._plans[form]

    @property
    def plans(self) -> list[_Plan]:
        """Those of all networks."""
        return [plan for form in FORMS for plan in self.plans_of(form)]


def allocation_checks(
    name: str, host: Host | None = None, expected_failures: ExpectedFailures | None = None
) -> list[Check]:
    """Everything an allocation promises (`prunus_mask`).

    Args:
        name: As given to ``--allocation``.
        host: Where to look it up; the host of everything installed without it.
        expected_failures: Short name of a check -> its `ExpectedFailure`.
    """
    subject = _Subject(name, host)
    bodies: list[tuple[str, Callable[[], None]]] = [
        *plugin_checks(Policy, name, ("prunus_mask",), host),
        *((f"plans-{form}", partial(check_plans, subject, form)) for form in FORMS),
        ("plans-something", lambda: check_plans_something(subject)),
        ("keeps-channels-that-can-stay", lambda: check_kept(subject)),
        ("keeps-what-is-gone-gone", lambda: check_present(subject)),
        ("hits-the-rate", lambda: check_rate(subject)),
        ("keeps-feasible-numbers", lambda: check_levels(subject)),
        ("refuses-a-rate-out-of-reach", lambda: check_reach(subject)),
        ("repeats-itself", lambda: check_repeats(subject)),
        ("leaves-its-input-alone", lambda: check_pure(subject)),
    ]
    return named_checks(name, bodies, expected_failures)


def check_plans(subject: _Subject, form: str) -> None:
    """A budget that it does not meet is a `PlanError` of one line, and no other error.

    A check for each network: a search may take its time.
    """
    subject.plans_of(form)


def check_plans_something(subject: _Subject) -> None:
    """There is a budget that it meets."""
    assert subject.plans, f"{subject.name} meets none of {BUDGETS}"


def check_kept(subject: _Subject) -> None:
    """Bools ``(C,)`` of known groups, at least one kept, in balance."""
    for said, network, _, _, keep in subject.plans:
        groups = {group.name: group for group in network.grouping.groups}
        for name, units in keep.items():
            assert name in groups, f"{said}: there is no group '{name}'"
            group = groups[name]
            known = isinstance(units, np.ndarray) and units.dtype == bool
            assert known, f"{said}: group '{name}' is not an array of bool"
            assert units.shape == (group.size,), f"{said}: '{name}' {units.shape}, C={group.size}"
            assert units.any(), f"{said}: nothing is kept of group '{name}'"
            assert is_feasible(group, units), (
                f"{said}: the units of '{name}' are out of balance; let Planning.keep choose them"
            )


def check_present(subject: _Subject) -> None:
    """Units that an earlier round removed stay removed."""
    for said, _, planning, _, keep in subject.plans:
        for name, units in keep.items():
            back = int((units & ~planning.present[name]).sum())
            assert not back, f"{said}: {back} removed units of group '{name}' come back"


def check_rate(subject: _Subject) -> None:
    """A plan misses its rate by a tenth of it at most; prunus refuses it otherwise."""
    for said, network, planning, budget, keep in subject.plans:
        if budget.rate is not None and not budget.best_effort:
            whole = {name: keep.get(name, present) for name, present in planning.present.items()}
            removed = network.rate(whole)
            near = abs(removed - budget.rate) <= MISS * budget.rate
            assert near, f"{said}: rate {budget.rate:g} was asked, the plan removes {removed:.4f}"


def check_levels(subject: _Subject) -> None:
    """The number of kept units is one of `Planning.levels`: the budget's multiple, or all."""
    for said, network, planning, budget, keep in subject.plans:
        for group in network.grouping.groups:
            if group.name in keep:
                count = int(keep[group.name].sum())
                levels = planning.levels(group, budget.multiple)
                assert count in levels, (
                    f"{said}: {count} units of '{group.name}' stay; with multiple "
                    f"{budget.multiple} it can be {', '.join(map(str, levels))}"
                )


def check_reach(subject: _Subject) -> None:
    """A rate that no plan reaches is a `PlanError`, unless the nearest plan is wanted."""
    network = _form("lenet")
    planning = planning_of(network, _whole(network))
    if subject.plan(planning, Budget(rate=0.3, multiple=1)) is None:
        return  # it takes no rate at all
    said = f"{subject.name}: rate 0.9999"
    found = subject.plan(planning, Budget(rate=0.9999, multiple=1))
    assert found is None, f"{said} is out of reach, and it gives a plan instead of a PlanError"
    nearest = subject.plan(planning, Budget(rate=0.9999, multiple=1, best_effort=True))
    assert nearest is not None, f"{said} with best_effort: a PlanError instead of the nearest plan"


def check_repeats(subject: _Subject) -> None:
    """The same facts and the same budget give the same plan."""
    for said, _, planning, budget, keep in subject.plans[:: len(BUDGETS)]:
        again = subject.plan(planning, budget)
        assert again is not None, f"{said}: no plan the second time"
        same = again.keys() == keep.keys() and all(np.array_equal(again[n], keep[n]) for n in keep)
        assert same, f"{said}: another plan the second time"


def check_pure(subject: _Subject) -> None:
    """Scores and present units are the same afterwards."""
    network = _form("lenet")
    for budget in BUDGETS:
        planning = planning_of(network, _pruned(network))
        subject.plan(planning, budget)
        fresh = planning_of(network, _pruned(network))
        for name in fresh.scores:
            same = np.array_equal(planning.scores[name], fresh.scores[name])
            assert same, f"{subject.name} modified the scores of '{name}'"
            same = np.array_equal(planning.present[name], fresh.present[name])
            assert same, f"{subject.name} modified the present units of '{name}'"


def planning_of(network: Prunable, present: Keep) -> Planning:
    """Facts with drawn scores, and curves of which each group loses more than the one before.

    Whole plans can be measured too, on random inputs.
    """
    draw = np.random.default_rng(0)
    groups = network.grouping.groups
    scores = {group.name: draw.uniform(0.1, 1, group.size) for group in groups}
    curves = tuple(
        Curve(group.name, group.size, _points(group.size, (index + 1) / len(groups)))
        for index, group in enumerate(groups)
    )
    measured = Sensitivity("top-1", True, Measurement(1.0, 0.01), curves, {})
    samples = random_inputs(network.network.model, 40, 0)
    trials = trials_of(network, samples, 0)
    return Planning(groups, scores, present, network.cost, measured, trials=trials)


def _points(size: int, worst: float) -> tuple[Point, ...]:
    ratios = (0.25, 0.5, 0.75)
    return tuple(Point(r, max(1, round(size * (1 - r))), 1 - worst * r * r, 0.01) for r in ratios)


def _whole(network: Prunable) -> Keep:
    return {group.name: np.ones(group.size, bool) for group in network.grouping.groups}


def _pruned(network: Prunable) -> Keep:
    """A tenth of every group is gone, as far as its units can go."""
    return {
        group.name: choose_units(group, np.arange(group.size, dtype=float), round(0.9 * group.size))
        for group in network.grouping.groups
    }


@cache
def _form(form: str) -> Prunable:
    return prunable(as_network(NETS[form](0)))
