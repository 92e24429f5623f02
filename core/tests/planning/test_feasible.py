"""Planner, selector and every allocation agree on what can stay, on networks hypothesis makes up."""

from __future__ import annotations

import importlib

import attrs
import numpy as np
from hypothesis import HealthCheck, given, settings, strategies as st

from prunus.descriptors import Policy
from prunus.errors import PlanError
from prunus.graph.stored import parameter_cost
from prunus.host import BUILT_IN, Host
from prunus.planning.budget import Budget, Planning
from prunus.planning.choose import Chooser
from prunus.planning.limits import is_met, limits_of
from prunus.planning.multiple import fast_multiples
from prunus.planning.target import TOLERANCE
from prunus.prunable import prunable
from prunus.selection import choose_units, feasible_counts, is_feasible
from prunus.sensitivity import Curve, Point, Sensitivity
from prunus.task import Measurement
from prunus.testing.strategies import networks, plans

HOST = Host([(importlib.import_module(name), "prunus") for name in BUILT_IN])
ALLOCATIONS = sorted(one.name for one in HOST.all(Policy) if one.verb == "mask")

quick = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@attrs.frozen
class Fewest:
    """Trials that like what keeps few units."""

    samples = 8

    def loss(self, keep):
        return float(sum(units.sum() for units in keep.values()))

    fitted = 8

    def compensated_losses(self, keep):
        return [self.loss(keep)]


def curves(groups):
    def points(size):
        return tuple(Point(r, max(1, round(size * (1 - r))), 1 - r * r, 0.01) for r in (0.3, 0.7))

    found = tuple(Curve(g.name, g.size, points(g.size)) for g in groups)
    return Sensitivity("top-1", True, Measurement(1.0, 0.01), found, {})


def facts(subject, data):
    """Facts with channels gone and multiples of groups, both drawn."""
    groups = subject.grouping.groups
    gone = data.draw(plans(groups, largest=0.5))
    present = {g.name: gone.get(g.name, np.ones(g.size, bool)) for g in groups}
    draw = np.random.default_rng(data.draw(st.integers(0, 2**16)))
    own = {g.name: int(draw.choice([1, 2, 4])) for g in groups}
    multiples = data.draw(st.sampled_from([{}, fast_multiples(groups), own]))
    scores = {g.name: draw.random(g.size) for g in groups}
    return Planning(
        groups, scores, present, subject.cost, curves(groups), True, Fewest(), multiples
    )


def budgets():
    share = st.sampled_from([0.1, 0.3, 0.5, 0.8])
    multiple = st.sampled_from([1, 2, 3, 4])
    costs = st.fixed_dictionaries({}, optional={"rate": share, "params": share})
    return st.builds(
        lambda found, multiple, best: Budget(**(found or {"rate": 0.4}), multiple=multiple, best_effort=best),
        costs, multiple, st.booleans(),
    )  # fmt: skip


@quick
@given(st.data())
def test_every_level_of_the_planner_can_be_chosen(data):
    """Of just so many units, in balance, none of which was gone."""
    subject = prunable(data.draw(networks()))
    planning = facts(subject, data)
    for group in planning.groups:
        for count in planning.levels(group, data.draw(st.sampled_from([1, 2, 3, 4]))).tolist():
            present = planning.present[group.name]
            assert count in feasible_counts(group, present)
            keep = choose_units(group, planning.scores[group.name], count, present)
            assert keep.sum() == count
            assert is_feasible(group, keep)
            assert (keep <= present).all()


@quick
@given(st.data(), st.sampled_from(ALLOCATIONS), budgets())
def test_every_allocation_keeps_to_the_levels_of_the_planner(data, allocation, budget):
    """Whatever the costs are, one or two; a plan of several meets all of them."""
    subject = prunable(data.draw(networks()))
    planning = facts(subject, data)
    if allocation == "given":
        budget = Budget(density={group.name: 0.4 for group in planning.groups})
        if not planning.groups:
            return
    costs = {
        "rate": subject.cost,
        "params": parameter_cost(subject.network, subject.grouping),
    }
    limits = limits_of(budget, costs)
    chooser = Chooser(HOST, subject, planning, budget, allocation, planning.present)
    try:
        keep = chooser.plan(limits)
    except PlanError:
        return
    allowed = attrs.evolve(planning, multiples={})
    for group in planning.groups:
        units = keep.get(group.name, planning.present[group.name])
        assert int(units.sum()) in allowed.levels(group, budget.multiple)
        assert is_feasible(group, units)
        assert (units <= planning.present[group.name]).all()
    if len(limits) > 1 and not budget.best_effort:
        missed = [limit.missed(limit.cost.macs(limit.cost.kept(keep))) for limit in limits]
        # the last one that bound is hit as nearly as whole channels allow
        assert all(is_met(limit, keep) for limit in limits) or max(missed) > TOLERANCE
