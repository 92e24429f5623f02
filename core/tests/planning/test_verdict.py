from __future__ import annotations

import attrs
import numpy as np
import pytest

from prunus.errors import PlanError
from prunus.methods import uniform
from prunus.planning.budget import Budget, Planning
from prunus.planning.verdict import verdict
from prunus.prunable import prunable
from prunus.testing.nets import as_network
from prunus.testing.nets.builder import Builder

MEND = "; --best-effort takes the nearest plan"


def subject(groups=4, width=16):
    """Two layers of whole normalisation groups: 9 steps in all."""
    b = Builder(0)
    x = b.group_norm(b.conv(b.input(3, 8), width), groups)
    x = b.group_norm(b.conv(x, width), groups)
    return prunable(as_network(b.model(b.conv(x, 3, 1))))


def planned(found, budget, present=None):
    groups = found.grouping.groups
    whole = {g.name: np.ones(g.size, bool) for g in groups} | (present or {})
    scores = {g.name: np.arange(g.size, dtype=float) for g in groups}
    planning = Planning(groups, scores, whole, found.cost, None)
    return uniform.prunus_mask("", planning, attrs.evolve(budget, best_effort=True))


def said(found, budget, present=None):
    return verdict(found, budget, planned(found, budget, present), present or {})


def test_a_rate_that_is_hit_needs_no_word():
    found = subject()
    rate = found.rate(planned(found, Budget(rate=0.5, multiple=1)))
    assert said(found, Budget(rate=rate, multiple=1)) is None
    assert verdict(found, Budget(rate=0.0), {}, {}) is None


def test_a_small_miss_is_told():
    found = subject()
    rate = found.rate(planned(found, Budget(rate=0.5, multiple=1)))
    asked = round(rate * 1.05, 4)
    assert said(found, Budget(rate=asked, multiple=1)) == (
        f"rate {asked:g} was asked, {rate:.4f} is the nearest found with whole channels"
    )


@pytest.mark.parametrize(("multiple", "more"), [(1, ""), (2, " in multiples of 2")])
def test_a_miss_of_a_tenth_is_refused_unless_the_best_will_do(multiple, more):
    """No smaller multiple is named where it is 1, or comes no nearer."""
    found = subject(groups=2)
    budget = Budget(rate=0.35, multiple=1)
    rate = found.rate(planned(found, budget))
    sentence = f"rate 0.35 was asked, {rate:.4f} is the nearest found with whole channels"
    with pytest.raises(PlanError) as caught:
        said(found, budget)
    assert str(caught.value) == sentence + MEND
    assert said(found, attrs.evolve(budget, best_effort=True)) == sentence
    four = subject(groups=8)
    coarse = Budget(rate=0.02, multiple=multiple, best_effort=True)
    assert said(four, coarse).partition("; ")[0].endswith(more)


def test_a_smaller_multiple_is_named_where_it_helps():
    found = subject(groups=8)
    budget = Budget(rate=0.125, multiple=4, best_effort=True)
    finer = found.rate(planned(found, attrs.evolve(budget, multiple=1)))
    assert said(found, budget).endswith(f" in multiples of 4; --multiple 1 may come to {finer:.4f}")


def test_the_least_that_can_go_is_named():
    found = subject(groups=2)
    least = min(found.rate({g.name: np.arange(g.size) < 1}) for g in found.grouping.groups)
    with pytest.raises(PlanError) as caught:
        said(found, Budget(rate=0.01, multiple=1))
    assert str(caught.value) == (
        f"rate 0.01 was asked, but the least that whole channels can save is {least:.4f}" + MEND
    )


@pytest.mark.parametrize("multiple", [1, 4])
def test_an_allocation_that_keeps_everything_is_told(multiple):
    """More can be reached, so that whole channels are not to blame."""
    found = subject(groups=8)
    whole = {g.name: np.ones(g.size, bool) for g in found.grouping.groups}
    with pytest.raises(PlanError) as caught:
        verdict(
            found,
            Budget(rate=0.5, multiple=multiple),
            whole,
            {},
            owner="allocation 'brk' of acme 1.0",
        )
    assert str(caught.value) == (
        "allocation 'brk' of acme 1.0 removed 0.0000 of the MACs, and rate 0.5 was asked" + MEND
    )


def test_channels_that_are_gone_already_are_told():
    found = subject()
    gone = {group.name: np.arange(group.size) < 2 for group in found.grouping.groups}
    with pytest.raises(PlanError) as caught:
        said(found, Budget(rate=0.1, multiple=1), gone)
    assert str(caught.value) == (
        f"rate 0.1 was asked, but channels that are gone already save {found.rate(gone):.4f} of "
        "the MACs; ask for more, or remove them with 'prunus transform'" + MEND
    )
