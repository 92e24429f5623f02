"""Units go from groups that can spare them to groups that cannot, at the same cost."""

from __future__ import annotations

import numpy as np
import pytest

from prunus.graph.macs import cost_model
from prunus.grouping import find_groups
from prunus.methods.exchanges import Exchanges
from prunus.planning.budget import Budget, Planning
from prunus.planning.target import all_levels, bisect, even

BUDGET = Budget(rate=0.5, multiple=2)


@pytest.fixture
def planning(build) -> Planning:
    """Three groups of 60 channels in a row."""
    nodes = [
        ("Gemm", [source, f"{name}/weight"], [name], {})
        for source, name in (("x", "a"), ("a", "b"), ("b", "c"), ("c", "y"))
    ]
    weights = {f"{name}/weight": np.ones((60, 60), np.float32) for name in "abcy"}
    network = build(nodes, weights, {"x": (60,)}, {"y": (60,)})
    grouping = find_groups(network)
    scores = {name: np.arange(60.0) for name in "abc"}
    present = {name: np.ones(60, bool) for name in "abc"}
    return Planning(grouping.groups, scores, present, cost_model(network.model, grouping), None)


def exchanged(planning, prices, most=1000):
    """Counts and losses before and after, and all that were measured."""
    levels, asked = all_levels(planning, BUDGET), []

    def loss(counts):
        return float(np.sum(np.array(prices) * (60 - counts) ** 2)) + 1

    def measure(counts):
        asked.append(counts.tobytes())
        return loss(counts) if len(asked) <= most else None

    start = bisect(planning, levels, BUDGET.rate, even(planning, levels))
    goal = planning.cost.total * (1 - BUDGET.rate)
    found, known = Exchanges(planning, levels, goal, measure).improved(start, loss(start))
    assert known == loss(found)
    missed = abs(planning.cost.macs(found) / goal - 1)
    return start, found, loss(found) / loss(start), missed, asked


@pytest.mark.parametrize("dear", [0, 1, 2])
def test_the_group_whose_removal_costs_most_gets_units_of_the_others(planning, dear):
    prices = np.where(np.arange(3) == dear, 9.0, 1.0)
    start, found, share, missed, _ = exchanged(planning, prices)
    assert found[dear] > start[dear]
    assert share < 0.85
    assert missed <= 0.01


def test_no_loss_falls_where_all_plans_are_alike(planning):
    start, found, share, _, _ = exchanged(planning, (0, 0, 0))
    assert np.array_equal(found, start)
    assert share == 1


@pytest.mark.parametrize("most", [0, 3, 7, 8, 12])
def test_it_ends_with_the_best_plan_so_far_when_no_more_may_be_measured(planning, most):
    _, _, share, missed, asked = exchanged(planning, (9, 1, 1), most)
    assert share <= 1
    assert missed <= 0.01
    assert len(asked) <= most + 30  # each notch asks once more, and is told that it is over
