from __future__ import annotations

import attrs
import numpy as np
import pytest
from scipy.sparse import csr_array

from prunus.compaction import compact
from prunus.errors import PlanError
from prunus.graph.macs import cost_model
from prunus.grouping import find_groups
from prunus.masking import mask
from prunus.methods import by_score, by_sensitivity, uniform
from prunus.network import Network
from prunus.planning.budget import Budget, Planning
from prunus.planning.target import below, equal_shares, nearest, refine
from prunus.sensitivity import Curve, Point, Sensitivity
from prunus.task import Measurement
from prunus.testing.nets import as_network
from prunus.testing.nets.builder import Builder


@pytest.fixture
def planning(lenet, draw):
    grouping = find_groups(lenet)
    scores = {group.name: draw.random(group.size) for group in grouping.groups}
    present = {group.name: np.ones(group.size, bool) for group in grouping.groups}
    curves = tuple(
        Curve(
            g.name,
            g.size,
            tuple(
                Point(r / 10, round(g.size * (1 - r / 10)), 0.9 - weight * (r / 10) ** 2, 0.002)
                for r in range(1, 10)
            ),
        )
        for g, weight in zip(grouping.groups, (0.5, 0.1, 0.01), strict=True)
    )
    measured = Sensitivity("top-1", True, Measurement(0.9, 0.002), curves, {})
    return Planning(grouping.groups, scores, present, cost_model(lenet.model, grouping), measured)


def removed(planning, keep):
    return 1 - planning.cost.macs(planning.cost.kept(keep)) / planning.cost.total


@pytest.mark.parametrize("policy", [uniform, by_score, by_sensitivity])
@pytest.mark.parametrize("rate", [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8])
def test_every_rate_is_hit_within_one_percent(planning, policy, rate):
    keep = policy.prunus_mask("", planning, Budget(rate=rate, multiple=1))
    assert removed(planning, keep) == pytest.approx(rate, rel=0.01)


def test_cost_model_counts_what_compaction_leaves(lenet, planning):
    grouping = find_groups(lenet)
    keep = uniform.prunus_mask("", planning, Budget(rate=0.5))
    smaller = compact(mask(lenet, grouping, keep), grouping, keep).model
    left = Network(smaller, "onnx", {}, lenet.layers)
    assert cost_model(smaller, find_groups(left)).total == planning.cost.macs(
        planning.cost.kept(keep)
    )


def test_kept_channels_are_rounded_up_to_the_multiple(planning):
    keep = uniform.prunus_mask("", planning, Budget(rate=0.4, multiple=4))
    assert all(units.sum() % 4 == 0 for units in keep.values())


def test_what_matters_least_goes_first(planning):
    keep = by_sensitivity.prunus_mask("", planning, Budget(rate=0.3, multiple=1))
    share = {name: keep[name].mean() if name in keep else 1.0 for name in ("conv1", "ip1")}
    assert share["ip1"] < share["conv1"]


def test_threshold_takes_the_largest_ratio_within_it(planning):
    keep = by_sensitivity.prunus_mask("", planning, Budget(threshold=0.0251, multiple=1))
    assert keep["conv2"].sum() == 6  # 0.1 * 0.5² = 0.025
    assert keep["ip1"].sum() <= 2  # 0.01 * 0.9² is within it everywhere measured


def test_unreachable_rate_names_the_nearest(planning):
    with pytest.raises(
        PlanError,
        match=r"rate 0.999 is out of reach: .* saves 0\.\d+; ask for less, lower --multiple or take "
        "what there is with --best-effort$",
    ):
        uniform.prunus_mask("", planning, Budget(rate=0.999))
    keep = uniform.prunus_mask("", planning, Budget(rate=0.999, multiple=1, best_effort=True))
    assert [units.sum() for units in keep.values()] == [1, 1, 1]


def test_rounds_only_grow(planning):
    import attrs

    first = uniform.prunus_mask("", planning, Budget(rate=0.4))
    later = attrs.evolve(planning, present={**planning.present, **first})
    second = uniform.prunus_mask("", later, Budget(rate=0.6))
    assert all((second[name] <= units).all() for name, units in first.items())


@pytest.mark.parametrize("policy", [by_sensitivity, by_score, uniform])
@pytest.mark.parametrize("rate", [0.1, 0.2, 0.3, 0.5, 0.7])
def test_fine_groups_make_up_for_coarse_ones(policy, rate):
    """LeNet 20-50-500: one step of conv2 is 3.5 % of all, one of ip1 0.07 %."""
    b = Builder(0)
    x = b.pool(b.conv(b.pool(b.conv(b.input(1, 28), 20, 5, pad=0)), 50, 5, pad=0))
    network = as_network(b.model(b.gemm(b.act(b.gemm(b.flatten(x), 500)), 10)))
    groups = find_groups(network).groups
    draw = np.random.default_rng(0)
    points = [Point(r / 10, 0, 0.97, 0.005) for r in range(1, 10)]
    curves = tuple(
        Curve(
            g.name,
            g.size,
            tuple(attrs.evolve(p, kept=round(g.size * (1 - p.ratio))) for p in points),
        )
        for g in groups
    )
    planning = Planning(
        groups,
        {g.name: draw.random(g.size) for g in groups},
        {g.name: np.ones(g.size, bool) for g in groups},
        cost_model(network.model, find_groups(network)),
        Sensitivity("top-1", True, Measurement(0.97, 0.005), curves, {}),
    )
    keep = policy.prunus_mask("", planning, Budget(rate=rate))
    assert removed(planning, keep) == pytest.approx(rate, rel=0.01)


class Linear:
    """MACs of a coarse group (40 a unit) and a fine one (0.25 a unit), 500 in all."""

    total = 500.0
    allowance = None
    weights = np.array([40, 0.25])
    curvature = csr_array((2, 2))

    def macs(self, counts):
        return float(counts @ self.weights)

    def gradient(self, counts):
        return self.weights


@pytest.mark.parametrize("dear", [0.02, 0.9])
def test_a_rate_is_hit_by_many_fine_steps_whatever_they_cost(dear):
    """0.1 lies between 10 and 8 coarse units: 200 fine ones hit it."""
    levels = [np.array([10, 8, 6]), np.arange(400, 0, -2)]
    prices = [np.array([0, 0.02, 0.2]), np.linspace(0, 2 * dear, 200)]
    planning = attrs.make_class("Stub", ["cost"])(Linear())
    assert refine(planning, levels, np.array([8, 400]), 450.0, prices).tolist() == [10, 200]


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.8])
def test_equal_shares_cost_the_goal_by_one_ratio(planning, rate):
    goal = planning.cost.total * (1 - rate)
    kept = equal_shares(planning, goal)
    assert planning.cost.macs(kept) == pytest.approx(goal)
    assert np.ptp(kept / planning.cost.sizes) < 1e-9


def test_equal_shares_leave_groups_that_lost_more_before(planning):
    first = planning.groups[0]
    fewer = np.arange(first.size) == 0
    pruned = attrs.evolve(planning, present={**planning.present, first.name: fewer})
    kept = equal_shares(pruned, planning.cost.total * 0.5)
    assert kept[0] == 1
    assert np.ptp(kept[1:] / planning.cost.sizes[1:]) < 1e-9


@pytest.mark.parametrize(("wanted", "low", "high"), [(8, 4, 8), (7, 4, 8), (3, 2, 4), (1, 2, 2)])
def test_the_feasible_numbers_around_a_share(wanted, low, high):
    level = np.array([16, 8, 4, 2])
    assert (below(level, wanted), nearest(level, wanted)) == (low, high)
