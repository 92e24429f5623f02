from __future__ import annotations

import json

import attrs
import pytest

from prunus.errors import StaleError
from prunus.host import Host
from prunus.methods import l1, uniform
from prunus.planning.budget import Budget
from prunus.planning.choose import chooser_of
from prunus.plans import Plan, plan_of
from prunus.prunable import prunable


@pytest.fixture
def subject(lenet):
    return prunable(lenet)


@pytest.fixture
def keep(subject):
    host = Host([(l1, "prunus"), (uniform, "prunus")])
    budget = Budget(rate=0.4)
    return chooser_of(host, subject, budget, criterion="l1", allocation="uniform").at_rate(0.4)


@pytest.fixture
def plan(subject, keep):
    return plan_of(subject, keep, Budget(rate=0.4), "l1", "uniform")


def test_the_plan_survives_json_and_gives_the_choice_back(subject, keep, plan):
    again = Plan.from_json(json.loads(json.dumps(plan.to_json())))
    assert again == plan
    found = again.keep(subject)
    assert {name: units.tolist() for name, units in found.items()} == {
        name: units.tolist() for name, units in keep.items() if not units.all()
    }
    assert again.rate == pytest.approx(subject.rate(keep))


def test_a_plan_of_another_network_is_refused(subject, plan):
    other = attrs.evolve(plan, structure="0" * 16)
    with pytest.raises(StaleError, match="another structure"):
        other.keep(subject)


@pytest.mark.parametrize(
    "damage",
    [
        lambda stored: stored.pop("budget"),
        lambda stored: stored.update(groups=None),
        lambda stored: stored.update(structure=7),
        lambda stored: stored["groups"].update(a={"channels": 4, "kept": []}),
        lambda stored: stored["groups"].update(a={"channels": 4, "kept": [4]}),
        lambda stored: stored["groups"].update(a={"channels": 4, "kept": [1, 1]}),
        lambda stored: stored["groups"].update(a={"channels": "4", "kept": [1]}),
        lambda stored: stored["budget"].update(mystery=1),
    ],
)
def test_damaged_plans_are_refused(plan, damage):
    stored = json.loads(json.dumps(plan.to_json()))
    damage(stored)
    with pytest.raises(StaleError, match="not a plan of this version"):
        Plan.from_json(stored)


def test_a_plan_reads_as_text_and_as_a_table(plan):
    first, *rest = str(plan).splitlines()
    assert first.startswith("plan for rate 0.4: ")
    assert "(criterion l1, allocation uniform)" in first
    assert len(rest) == len(plan.groups)
    assert plan._repr_html_().count("<tr>") == len(plan.groups) + 1
