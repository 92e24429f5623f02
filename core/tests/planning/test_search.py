"""The planner against an enumeration of every feasible plan."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from prunus.methods import by_score, by_sensitivity, uniform
from prunus.planning import search
from prunus.planning.budget import Budget, Planning
from prunus.planning.target import TOLERANCE
from prunus.prunable import prunable
from prunus.selection import feasible_counts
from prunus.sensitivity import Curve, Point, Sensitivity
from prunus.task import Measurement
from prunus.testing.nets import as_network
from prunus.testing.nets.builder import Builder

RATES = (0.05, 0.1, 0.2, 0.3, 0.45, 0.6, 0.75, 0.9)


def chain(draw):
    b = Builder(0)
    x = b.input(3, 8)
    for _ in range(draw.integers(2, 5)):
        x = b.act(b.conv(x, int(draw.choice([4, 6, 9, 16])), int(draw.choice([1, 3]))))
    return b.model(b.conv(x, 3, 1))


def grouped(draw):
    b = Builder(0)
    x = b.conv(b.input(3, 8), 12)
    for group in draw.choice([1, 2, 3, 4, 6], 3):
        x = b.act(b.conv(x, 12, group=int(group)))
    return b.model(b.conv(x, 3, 1))


def normalised(draw):
    b = Builder(0)
    x = b.group_norm(b.conv(b.input(3, 8), 16), 4)
    y = b.group_norm(b.conv(x, 16, group=int(draw.choice([1, 2]))), 8)
    return b.model(b.conv(b.act(b.conv(y, int(draw.choice([5, 12])))), 3, 1))


def residual(draw):
    b = Builder(0)
    x = b.conv(b.input(3, 8), 8)
    for _ in range(2):
        y = b.act(b.conv(x, int(draw.choice([6, 10]))))
        x = b.add(x, b.conv(y, 8, 1))
    return b.model(b.gemm(b.act(b.gemm(b.flatten(b.global_pool(x)), 12)), 3))


def coarse(draw):
    """One unit of a layer is a tenth of all."""
    b = Builder(0)
    x = b.pool(b.conv(b.pool(b.conv(b.input(1, 12), 6, 5, pad=0)), 10, 3, pad=0))
    return b.model(b.gemm(b.act(b.gemm(b.flatten(x), int(draw.choice([20, 60])))), 4))


NETS = [chain, grouped, normalised, residual, coarse]


def planning_of(network, draw):
    subject = prunable(network)
    groups = subject.grouping.groups
    curves = tuple(
        Curve(
            g.name,
            g.size,
            tuple(
                Point(r / 10, round(g.size * (1 - r / 10)), 0.9 - weight * (r / 10) ** 2, 0.002)
                for r in range(1, 10)
            ),
        )
        for g, weight in zip(groups, draw.random(len(groups)), strict=True)
    )
    return Planning(
        groups,
        {g.name: draw.random(g.size) for g in groups},
        {g.name: np.ones(g.size, bool) for g in groups},
        subject.cost,
        Sensitivity("top-1", True, Measurement(0.9, 0.002), curves, {}),
    )


def every_rate(planning, multiple):
    """Rates of all feasible plans, from the definition of the cost."""
    levels = [
        [n for n in feasible_counts(g).tolist() if n == g.size or n % multiple == 0]
        for g in planning.groups
    ]
    plans = np.array(list(itertools.islice(itertools.product(*levels), 200_000)))
    made = planning.cost.outputs @ plans.T + planning.cost.outputs0[:, None]
    read = planning.cost.inputs @ plans.T + planning.cost.inputs0[:, None]
    return 1 - (planning.cost.scale @ (made * read)) / planning.cost.total


@pytest.mark.parametrize("limit", [search._ALL, 0], ids=["all plans", "circles"])
@pytest.mark.parametrize("make", NETS)
def test_no_plan_is_nearer_than_the_one_found(make, limit, monkeypatch):
    """Within 1 % of the rate, or as near as any plan comes: also where circles alone are seen."""
    monkeypatch.setattr(search, "_ALL", limit)
    for seed in range(3):
        draw = np.random.default_rng(seed)
        planning = planning_of(as_network(make(draw)), draw)
        for multiple in (1, 2):
            rates = every_rate(planning, multiple)
            for rate in (r for r in RATES if r <= rates.max()):
                nearest = np.abs(rates - rate).min()
                for policy in (uniform, by_score, by_sensitivity):
                    keep = policy.prunus_mask("", planning, Budget(rate=rate, multiple=multiple))
                    removed = 1 - planning.cost.macs(planning.cost.kept(keep)) / planning.cost.total
                    missed = abs(removed - rate)
                    assert missed <= max(nearest, TOLERANCE * rate) + 1e-9, (
                        policy.__name__, seed, multiple, rate, removed, nearest,
                    )  # fmt: skip
