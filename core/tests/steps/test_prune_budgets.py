"""Budgets of `prune`: refused where they are none, met, or told how far a plan can come."""

from __future__ import annotations

import re
from pathlib import Path

import attrs
import numpy as np
import pytest

from prunus.engines.timing import Timing
from prunus.errors import NoSamplesError, PlanError, UsageError
from prunus.steps.continued import newest
from prunus.steps.prune import prune
from prunus.steps.transform import transform

EITHER = (
    "give either --rate (share of MACs to remove), --params, --bytes, --latency, --max-loss or several "
    "of these; or --threshold (metric loss per group); or --density (share of a group that stays)"
)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, EITHER),
        (
            {"rate": 0.5, "threshold": 0.1},
            EITHER,
        ),
        ({"rate": 50.0}, "--rate 50: a share of MACs in [0, 1); did you mean 0.5?"),
        ({"rate": 1.0}, "--rate 1: a share of MACs in [0, 1), for example 0.5"),
        ({"rate": float("nan")}, "--rate nan: a share of MACs in [0, 1), for example 0.5"),
        ({"threshold": -0.1}, "--threshold -0.1: a loss, not negative"),
        ({"threshold": float("inf")}, "--threshold inf: a loss, not negative"),
        ({"threshold": float("nan")}, "--threshold nan: a loss, not negative"),
        ({"rate": 0.5, "multiple": 0}, "--multiple 0: a whole number from 1"),
        ({"params": 0.5, "threshold": 0.1}, EITHER),
        ({"params": 1.0}, "--params 1: a share of parameters in [0, 1), for example 0.5"),
        (
            {"latency": -1.0},
            "--latency -1: a share of the measured time in [0, 1), for example 0.5",
        ),
        ({"max_loss": -0.1}, "--max-loss -0.1: a loss, not negative"),
        ({"bytes": "0B"}, "--bytes 0: a size, for example 2MB"),
        (
            {"bytes": "2Mb"},
            "--bytes 2Mb: a size such as 2MB or 1.5MiB; units are B, kB, MB, GB (powers of 1000), "
            "KiB, MiB, GiB (powers of 1024)",
        ),
        (
            {"params": 0.5, "granularity": "weight"},
            "--params: single weights that are zero make no network smaller or faster; use --rate, "
            "or whole channels",
        ),
    ],
)
def test_targets_that_are_none(host, settings, changes, message):
    with pytest.raises(UsageError) as caught:
        prune(host, attrs.evolve(settings, **changes))
    assert str(caught.value) == message
    assert not Path("ws").exists()


def test_every_budget_is_met_within_one_percent(host, settings):
    found = prune(host, settings.aiming(params=0.4))
    whole, small = found.report.stages
    assert 1 - small.params / whole.params == pytest.approx(0.4, rel=0.01)
    assert found.report.facts["budgets"] == [
        {"budget": "params", "asked": 0.4, "reached": 1 - small.params / whole.params}
    ]
    assert Path("ws/params_0.4/plan.json").exists()


def test_the_file_that_transform_writes_has_the_size_asked_for(host, settings):
    prune(host, settings.aiming(bytes="12kB"))
    small = transform(host, newest(settings), Path("small")).written.model
    assert 0.99 * 12_000 < small.stat().st_size <= 12_000


def test_measured_times_are_kept_and_used_again(host, settings, monkeypatch):
    monkeypatch.setattr("prunus.steps.prune.Clock", Weights)
    found = prune(host, settings.aiming(latency=0.4))
    assert found.report.facts["budgets"][0]["reached"] == pytest.approx(0.4, rel=0.01)
    before, after = found.report.facts["milliseconds"]
    assert 1 - after / before == pytest.approx(0.4, abs=0.05)
    times = Path("ws/times.json").read_text()
    assert Weights.plans_timed == 9
    again = prune(host, settings.aiming(latency=0.4))
    assert Weights.plans_timed == 9
    assert Path("ws/times.json").read_text() == times
    assert {n: u.tolist() for n, u in again.keep.items()} == {
        n: u.tolist() for n, u in found.keep.items()
    }


class Weights:
    """A clock by which a layer takes a nanosecond a weight."""

    plans_timed = 0

    def __init__(self, host, engine):
        self.identity = engine

    def steps(self, runnable):
        Weights.plans_timed += 1
        return self._times(runnable.compact.model)

    def shares(self, whole, others):
        for make in others:
            yield self._ms(make()) / self._ms(whole)

    def timings(self, networks):
        first = self._ms(networks[0])
        shares = [self._ms(one) / first for one in networks]
        return [Timing(share * first, 0, 0, share, share, share, 0) for share in shares]

    def _ms(self, runnable):
        return sum(self._times(runnable.compact.model).values())

    def _times(self, model):
        return {
            node.outputs[0].name: 1e-6 * np.prod(node.inputs[1].shape.numpy())
            for node in model.graph
            if node.op_type in ("Conv", "Gemm")
        }


def test_a_bound_of_the_loss_is_kept_on_samples_that_did_not_choose(host, settings):
    asked = attrs.evolve(settings.aiming(max_loss=0.3), metric="fidelity")
    found = prune(host, asked)
    promise = found.report.facts["promise"]
    assert promise["loss"] <= promise["asked"] == 0.3
    assert (promise["samples"], promise["chosen_on"]) == (20, 20)
    assert 0 < found.report.facts["rate"] < 1
    assert Path("ws/max_loss_0.3/plan.json").exists()


def test_a_bound_of_the_loss_needs_samples(host, settings):
    with pytest.raises(NoSamplesError) as caught:
        prune(host, attrs.evolve(settings.aiming(max_loss=0.3), data=None))
    assert str(caught.value) == "a bound of the loss needs held-out samples; give --data"


def test_points_are_not_taken_for_a_share(host, settings):
    with pytest.raises(UsageError) as caught:
        prune(host, attrs.evolve(settings.aiming(max_loss=1.0), metric="fidelity"))
    assert str(caught.value) == (
        "--max-loss 1: fidelity of the original is 1, so that any network would do; did you mean "
        "0.01?"
    )


def test_a_plan_meets_several_budgets_at_once(host, settings):
    asked = {"rate": 0.3, "params": 0.5}
    found = prune(host, settings.aiming(**asked))
    whole, small = found.report.stages
    gone = {"rate": 1 - small.macs / whole.macs, "params": 1 - small.params / whole.params}
    assert all(gone[name] >= 0.99 * share for name, share in asked.items())
    assert any(gone[name] == pytest.approx(share, rel=0.01) for name, share in asked.items())
    assert Path("ws/rate_0.3_params_0.5/plan.json").exists()


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (
            {"params": 0.99},
            "params 0.99 is out of reach: removing all but the last channels of every group saves "
            "0.9738 of the parameters; ask for less, lower --multiple or take what there is with "
            "--best-effort",
        ),
        (
            {"bytes": "1kB"},
            r"bytes 1,000 is out of reach: removing all but the last channels of every group leaves "
            r"BYTES bytes; ask for more, lower --multiple or take what there is with --best-effort",
        ),
        (
            {"bytes": "1MB"},
            "bytes 1,000,000 leaves the network whole: it has BYTES bytes; ask for less",
        ),
    ],
)
def test_a_budget_out_of_reach_says_how_far_a_plan_can_come(host, settings, asked, message):
    with pytest.raises(PlanError) as caught:
        prune(host, settings.aiming(**asked))
    number = r"[0-9],[0-9]{3}|[0-9]{2},[0-9]{3}"
    assert re.fullmatch(re.escape(message).replace("BYTES", f"({number})"), str(caught.value))
