"""Three branches of the same MACs, whose times are made up."""

from __future__ import annotations

import attrs
import numpy as np
import pytest

from prunus.graph.macs import cost_model
from prunus.grouping import find_groups
from prunus.methods import slow_first, uniform
from prunus.planning.budget import Budget, Planning
from prunus.planning.pace import paced
from prunus.planning.target import all_levels

SIZE = 1000
BUDGET = Budget(rate=0.4, multiple=1)


@pytest.fixture
def planning(build) -> Planning:
    weights, nodes = {}, []
    for name in "abc":
        weights[f"{name}/weight"] = np.ones((SIZE, 4), np.float32)
        weights[f"{name}-out/weight"] = np.ones((4, SIZE), np.float32)
        nodes += [
            ("Gemm", ["x", f"{name}/weight"], [name], {"transB": 1}),
            ("Gemm", [name, f"{name}-out/weight"], [f"{name}-out"], {"transB": 1}),
        ]
    network = build(nodes, weights, {"x": (4,)}, {f"{name}-out": (4,) for name in "abc"})
    grouping = find_groups(network)
    scores = {group.name: np.arange(float(SIZE)) for group in grouping.groups}
    present = {group.name: np.ones(SIZE, bool) for group in grouping.groups}
    macs = cost_model(network.model, grouping)
    return Planning(grouping.groups, scores, present, macs, None, macs=macs)


def taking(planning, **times):
    """The same groups where a MAC of each takes so long."""
    macs = planning.cost
    scale = macs.scale * np.array([times[name[0]] for name in macs.layers], float)
    return attrs.evolve(planning, cost=attrs.evolve(macs, scale=scale, counted="milliseconds"))


def kept(planning, policy=slow_first, budget=BUDGET):
    keep = policy.prunus_mask("", planning, budget)
    counts = {g.name: int(keep[g.name].sum()) if g.name in keep else SIZE for g in planning.groups}
    cost = planning.cost
    removed = 1 - cost.macs(np.array([counts[name] for name in cost.names])) / cost.total
    assert removed == pytest.approx(budget.rate, rel=0.01)
    return counts


def test_a_group_twice_as_slow_has_twice_the_strength(planning):
    found = kept(taking(planning, a=2, b=1, c=1))
    assert found["b"] == pytest.approx(found["c"], abs=5)
    assert np.log(found["a"] / SIZE) / np.log(found["b"] / SIZE) == pytest.approx(2 / 1, rel=0.15)
    fewest = sum(found.values())
    assert fewest > sum(kept(taking(planning, a=2, b=1, c=1), uniform).values())


def test_a_group_that_saves_no_time_stays_whole(planning):
    """The shares of slow groups stay bounded: paces are 2, 1 and 0 times the mean."""
    plan = paced(taking(planning, a=8, b=4, c=0), *_asked(planning))
    slow, usual, free = plan(0.5)
    assert free == SIZE
    assert usual == 500
    assert slow == pytest.approx(SIZE * 0.5**1.7, abs=1)
    assert kept(taking(planning, a=8, b=4, c=0))["c"] == SIZE


def test_without_a_difference_shares_are_equal(planning):
    assert kept(planning) == kept(planning, uniform)
    alone = attrs.evolve(planning, macs=None)
    assert kept(taking(alone, a=8, b=4, c=1)) == kept(taking(alone, a=8, b=4, c=1), uniform)


def test_multiples_hold(planning):
    found = kept(taking(planning, a=3, b=2, c=1), budget=attrs.evolve(BUDGET, multiple=8))
    assert all(count % 8 == 0 for count in found.values())
    assert found["a"] < found["b"] < found["c"]


def test_everything_is_within_reach(planning):
    """At the end of the family every group that costs time has its fewest units."""
    plan = paced(taking(planning, a=100, b=1, c=1), *_asked(planning))
    assert plan(1.0).tolist() == [1, 1, 1]
    assert plan(0.0).tolist() == [SIZE] * 3


def _asked(planning):
    return all_levels(planning, BUDGET), BUDGET
