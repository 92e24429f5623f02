from __future__ import annotations

import attrs
import numpy as np
import pytest

from prunus.granularity import CHANNELS, granularity_of
from prunus.groups import Group, Member
from prunus.methods import uniform
from prunus.planning.budget import Budget, Planning
from prunus.planning.limits import limits_of
from prunus.planning.multiple import fast_multiples, loosened, number_of, preferred, rival_multiples
from prunus.planning.target import equal_shares
from prunus.prunable import prunable
from prunus.testing.nets import as_network
from prunus.testing.nets.builder import Builder


def group(size):
    return Group("g", ("g",), (Member("w", "filter", (0,), np.arange(size)[:, None]),))


@pytest.mark.parametrize(
    ("size", "multiple"),
    [(8, 1), (15, 1), (16, 2), (31, 2), (32, 4), (48, 4), (63, 4), (64, 16), (100, 16), (2048, 16)],
)
def test_the_wider_a_group_the_larger_its_multiple(size, multiple):
    assert fast_multiples([group(size)]) == {"g": multiple}


def test_narrow_groups_have_none():
    assert fast_multiples([group(7), group(1)]) == {}


@pytest.mark.parametrize(
    ("asked", "units", "number", "own"),
    [
        (None, CHANNELS, 2, {"g": 16}),
        ("auto", CHANNELS, 2, {"g": 16}),
        (2, CHANNELS, 2, {}),
        (8, CHANNELS, 8, {}),
        (None, granularity_of("weight"), 1, {}),
        ("auto", granularity_of("2:4"), 1, {}),
    ],
)
def test_a_number_that_is_asked_for_holds_alone(asked, units, number, own):
    assert number_of(units, asked) == number
    assert preferred(units, asked, [group(64)]) == own


@pytest.fixture
def wide():
    b = Builder(0)
    x = b.act(b.conv(b.input(3, 8), 64))
    x = b.act(b.conv(x, 128))
    return prunable(as_network(b.model(b.conv(x, 3, 1))))


def facts(subject):
    groups = subject.grouping.groups
    scores = {g.name: np.arange(g.size, dtype=float) for g in groups}
    present = {g.name: np.ones(g.size, bool) for g in groups}
    return Planning(groups, scores, present, subject.cost, None)


def equal_plan(subject, multiples, rate):
    planning = attrs.evolve(facts(subject), multiples=multiples)
    return uniform.prunus_mask("", planning, Budget(rate=rate, best_effort=True))


def is_good(subject, multiples, rate):
    """Hit, by shares that are a twelfth away from the equal one in the root mean square at most.

    A share may be rounded up or down to its multiple.
    """
    keep = equal_plan(subject, multiples, rate)
    groups = subject.grouping.groups
    shares = equal_shares(facts(subject), subject.cost.total * (1 - rate))
    apart = []
    for group, share in zip(groups, shares, strict=True):
        away = abs(keep.get(group.name, np.ones(group.size)).sum() - share)
        apart.append(away / group.size if away > multiples.get(group.name, 2) else 0.0)
    hit = abs(subject.rate(keep) / rate - 1) <= 0.01
    return hit and np.sqrt(np.mean(np.square(apart))) <= 1 / 12


@pytest.mark.parametrize("rate", [0.17, 0.3, 0.44, 0.5, 0.62, 0.8])
def test_multiples_are_halved_until_nearly_equal_shares_hit_the_rate(wide, rate):
    planning, budget = facts(wide), Budget(rate=rate)
    limits = limits_of(budget, {"rate": wide.cost})
    found = loosened(fast_multiples(planning.groups), planning, limits, budget)
    assert is_good(wide, found, rate)
    larger = {name: of * 2 for name, of in found.items()} or {g.name: 4 for g in planning.groups}
    if max(larger.values()) <= 16:
        assert not is_good(wide, larger, rate)


def test_a_small_rate_is_not_met_by_emptying_one_group():
    """In multiples of 16 the rate is hit, too: by three quarters of the channels of one layer."""
    b = Builder(0)
    x = b.input(3, 8)
    for channels in (64, 128, 128, 256):
        x = b.act(b.conv(x, channels))
    subject = prunable(as_network(b.model(b.conv(x, 3, 1))))
    planning, budget = facts(subject), Budget(rate=0.15)
    limits = limits_of(budget, {"rate": subject.cost})
    found = loosened(fast_multiples(planning.groups), planning, limits, budget)
    keep = equal_plan(subject, found, 0.15)
    assert max(1 - units.mean() for units in keep.values()) <= 0.25
    assert subject.rate(keep) == pytest.approx(0.15, rel=0.01)


def test_without_a_cost_to_come_down_to_there_are_none(wide):
    planning = facts(wide)
    assert loosened({"g": 16}, planning, (), Budget(threshold=0.1)) == {}


def test_a_clock_has_coarser_rules_to_choose_from():
    groups = [attrs.evolve(group(size), name=str(size)) for size in (4, 12, 16, 48, 512)]
    halves, whole = rival_multiples(groups)
    assert halves == {"12": 4, "16": 8, "48": 16, "512": 16}
    assert whole == {"12": 16, "16": 16, "48": 16, "512": 16}
