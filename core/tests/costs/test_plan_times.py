"""Times of an engine whose layers cost what a formula says."""

from __future__ import annotations

import math

import numpy as np
import pytest

from prunus.compaction import compact
from prunus.costs.plan_times import PlanTimes, fitted, time_costs
from prunus.planning.budget import Budget, Planning
from prunus.prunable import prunable
from prunus.selection import choose_units
from prunus.testing.nets import NETS, as_network


class Formula:
    """A layer takes 1 µs, 1 µs for 1,000 weights and 1 µs for 10 channels it makes."""

    identity = "formula 1"

    def __init__(self, profile: bool = True):
        self.asked = 0
        self.profile = profile

    def steps(self, runnable):
        self.asked += 1
        return {**self.layers(runnable.compact.model), "": 0.001} if self.profile else None

    def shares(self, whole, others):
        for make in others:
            self.asked += 1
            yield self.time(make().compact.model) / self.time(whole.compact.model)

    def time(self, model):
        return 0.001 + sum(self.layers(model).values())

    def layers(self, model):
        found = {}
        for node in model.graph:
            if node.op_type in ("Conv", "Gemm"):
                shape = tuple(node.inputs[1].shape)
                made = (
                    shape[0]
                    if node.op_type == "Conv"
                    else tuple(node.outputs[0].shape)[1]
                    if node.outputs[0].shape
                    else shape[0]
                )
                found[node.outputs[0].name] = 0.001 + math.prod(shape) * 1e-6 + made * 1e-4
        return found


def time_cost(clock, subject, planning, budget, file=None):
    (found,) = time_costs(clock, subject, [planning], budget, file)
    return found


@pytest.fixture
def subject():
    return prunable(as_network(NETS["resnet_padded"](0)))


def facts(subject):
    groups = subject.grouping.groups
    scores = {g.name: np.arange(g.size, dtype=float) for g in groups}
    present = {g.name: np.ones(g.size, bool) for g in groups}
    return Planning(groups, scores, present, subject.cost, None)


@pytest.mark.parametrize(("profile", "near"), [(True, 0.02), (False, 0.1)])
def test_times_of_plans_that_were_not_measured_are_foreseen(subject, profile, near):
    clock = Formula(profile)
    cost = time_cost(clock, subject, facts(subject), Budget(latency=0.5, multiple=1))
    assert cost.counted == "milliseconds"
    draw = np.random.default_rng(5)
    for _ in range(5):
        keep = {
            g.name: choose_units(g, draw.random(g.size), int(draw.integers(1, g.size + 1)))
            for g in subject.grouping.groups
        }
        model = compact(subject.network, subject.grouping, keep).model
        wanted = clock.time(model) / clock.time(subject.network.model)
        share = cost.macs(cost.kept(keep)) / cost.total
        assert share == pytest.approx(wanted, abs=near)


def test_times_are_measured_once(subject, tmp_path):
    clock, file = Formula(), tmp_path / "ws" / "times.json"
    arguments = (clock, subject, facts(subject), Budget(latency=0.5), file)
    first = time_cost(*arguments)
    asked = clock.asked
    second = time_cost(*arguments)
    assert clock.asked == asked
    assert first.scale.tolist() == second.scale.tolist()
    clock.identity = "formula 2"  # another version, or another processor
    time_cost(*arguments)
    assert clock.asked > asked


def test_another_share_is_measured_where_it_is(subject, tmp_path):
    clock, file = Formula(), tmp_path / "times.json"
    time_cost(clock, subject, facts(subject), Budget(latency=0.5), file)
    asked = clock.asked
    time_cost(clock, subject, facts(subject), Budget(latency=0.3), file)
    assert 1 <= clock.asked - asked <= 3


def test_a_share_is_what_whole_networks_save(subject):
    """Layers that take half as long need not halve the time of all."""
    sizes = subject.cost.sizes
    plans = [sizes.tolist(), np.maximum(sizes // 2, 1).tolist()]
    layers = [dict.fromkeys(Formula().layers(subject.network.model), ms) for ms in (1.0, 0.5)]
    found = fitted(subject, PlanTimes("", plans, [1.0, 0.7], layers, {}))
    saved = 1 - found.macs(np.array(plans[1])) / found.total
    assert saved == pytest.approx(0.3, abs=0.02)
