from __future__ import annotations

import numpy as np
import pytest

from prunus.errors import PlanError
from prunus.graph.stored import parameter_cost
from prunus.methods import by_score, uniform
from prunus.planning.budget import Budget, Planning
from prunus.planning.limits import SizeLimit, check_limit, is_met, limits_of, met_by_turns, reached
from prunus.prunable import prunable


@pytest.fixture
def subject(lenet):
    return prunable(lenet)


@pytest.fixture
def costs(subject):
    parameters = parameter_cost(subject.network, subject.grouping)
    return {
        "rate": subject.cost,
        "params": parameters,
        "bytes": parameters.affine(4.0, 300.0, "bytes"),
    }


def facts(subject, cost, keep=None):
    groups = subject.grouping.groups
    draw = np.random.default_rng(0)
    present = {g.name: np.ones(g.size, bool) for g in groups} | dict(keep or {})
    return Planning(groups, {g.name: draw.random(g.size) for g in groups}, present, cost, None)


def planned(subject, limits, budget, policy=uniform):
    def further(limit, keep):
        found = policy.prunus_mask("", facts(subject, limit.cost, keep), budget.only(limit.share))
        return {name: found.get(name, units) & units for name, units in {**facts(subject, limit.cost).present, **keep}.items()}  # fmt: skip

    return met_by_turns(limits, {}, further)


@pytest.mark.parametrize("policy", [uniform, by_score])
@pytest.mark.parametrize(
    "asked", [{"params": 0.3}, {"params": 0.6}, {"bytes": 9000}, {"bytes": 4000}, {"rate": 0.5}]
)
def test_a_limit_is_hit_within_one_percent(subject, costs, policy, asked):
    budget = Budget(multiple=1, **asked)
    (limit,) = limits_of(budget, costs)
    keep = planned(subject, [limit], budget, policy)
    assert abs(limit.missed(limit.cost.macs(limit.cost.kept(keep)))) <= 0.01
    found = reached(limit, keep)
    assert found["budget"] == limit.name
    assert found["reached"] == pytest.approx(found["asked"], rel=0.01)


@pytest.mark.parametrize(
    "asked",
    [{"rate": 0.3, "params": 0.5}, {"rate": 0.6, "params": 0.1}, {"rate": 0.2, "params": 0.3, "bytes": 5000}],
)  # fmt: skip
def test_all_limits_are_met_and_the_last_one_that_bound_is_hit(subject, costs, asked):
    budget = Budget(multiple=1, **asked)
    limits = limits_of(budget, costs)
    assert [limit.name for limit in limits] == list(asked)
    keep = planned(subject, limits, budget)
    assert all(is_met(limit, keep) for limit in limits)
    assert any(
        abs(limit.missed(limit.cost.macs(limit.cost.kept(keep)))) <= 0.01 for limit in limits
    )


def test_a_file_is_never_aimed_above_its_limit(costs):
    limit = SizeLimit.of("bytes", costs["bytes"], 4000)
    aimed = limit.cost.total * (1 - limit.share)
    assert aimed + limit.cost.allowance <= 4000 < (aimed + limit.cost.allowance) * 1.01


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"rate": 0.5}, ("rate 0.5", "0.5000", "saves 0.5000", "less")),
        ({"params": 0.3}, ("params 0.3", "0.5000", "saves 0.5000 of the parameters", "less")),
        ({"bytes": 4000}, ("bytes 4,000", "HALF", "leaves HALF bytes", "more")),
    ],
)
def test_words(costs, asked, said):
    (limit,) = limits_of(Budget(**asked), costs)
    half = limit.cost.total / 2
    found = (limit.asked, limit.shown(half), limit.effect(half), limit.easier)
    assert found == tuple(text.replace("HALF", f"{half:,.0f}") for text in said)


def test_limits_that_no_plan_meets(subject, costs):
    budget = Budget(params=0.99)
    (limit,) = limits_of(budget, costs)
    with pytest.raises(PlanError) as caught:
        check_limit(limit, facts(subject, limit.cost), budget)
    most = 1 - limit.cost.macs(np.full(3, 2)) / limit.cost.total
    assert str(caught.value) == (
        "params 0.99 is out of reach: removing all but the last channels of every group saves "
        f"{most:.4f} of the parameters; ask for less, lower --multiple or take what there is with "
        "--best-effort"
    )
    check_limit(limit, facts(subject, limit.cost), Budget(params=0.99, best_effort=True))


def test_a_size_that_the_network_has_already(costs):
    with pytest.raises(PlanError) as caught:
        limits_of(Budget(bytes=10**6), costs)
    assert str(caught.value) == (
        f"bytes 1,000,000 leaves the network whole: it has {costs['bytes'].total:,.0f} bytes; ask "
        "for less"
    )
