"""The checks of metrics, allocations, analyses and commands: each has a plugin it catches."""

from __future__ import annotations

import types

import attrs
import numpy as np
import pytest

from prunus.analysis.exact import analyze
from prunus.descriptors import NamedMetric, Policy
from prunus.errors import PlanError, UsageError
from prunus.evaluation.metrics import Top
from prunus.hookspecs import hookimpl
from prunus.host import Host
from prunus.methods import uniform
from prunus.task import Measurement
from prunus.testing import allocation_checks, analysis_checks, command_checks, metric_checks


def host_of(descriptor, **functions):
    """A host with one plugin, made of functions."""
    plugin = types.ModuleType("json")  # any module that imports cheaply
    plugin.prunus_register = hookimpl(lambda: (descriptor,))
    for name, function in functions.items():
        setattr(plugin, name, hookimpl(function))
    return Host([(plugin, "test 1.0")])


def caught(checks, name):
    """What a check says about a bad plugin."""
    (check,) = [check for check in checks if check.name == f"bad-{name}"]
    with pytest.raises(AssertionError) as error:
        check()
    return str(error.value)


@attrs.frozen
class Hits(Top):
    """Top-1 under another name."""

    name: str = "bad"


class MeanOfBatches(Hits):
    def result(self, observations):
        return Measurement(float(np.mean([one.mean() for one in observations])))


class Objects(Hits):
    def observe(self, outputs, reference, labels):
        return {1, 2}


class Nan(Hits):
    def result(self, observations):
        return Measurement(float("nan"))


class Restless(Hits):
    def result(self, observations):
        return Measurement(float(np.random.default_rng().random()))


class Vandal(Hits):
    def observe(self, outputs, reference, labels):
        labels[:] = 0
        return super().observe(outputs, reference, labels)


class Beside(Hits):
    def truth(self, outputs):
        return (super().truth(outputs) + 1) % list(outputs.values())[-1].shape[1]


class Unread(Hits):
    def truth(self, outputs):
        return {"classes": super().truth(outputs)}


class Distant(Hits):
    def distance(self, outputs, reference):
        return np.ones(len(next(iter(outputs.values()))))


class Negative(Hits):
    def distance(self, outputs, reference):
        name = list(outputs)[-1]
        missed = outputs[name] - reference[name]
        return -np.abs(missed.reshape(len(missed), -1)).sum(1)


class Flat(Hits):
    def places(self, outputs):
        return np.ones(len(next(iter(outputs.values()))))


class Unbounded(Hits):
    def places(self, outputs):
        return np.full((len(next(iter(outputs.values()))), 2, 2), 3.0)


@pytest.mark.parametrize(
    ("metric", "check", "said"),
    [
        (Distant(), "tells-distances", "bad: the original is 1 away from itself"),
        (Negative(), "tells-distances", "bad: a distance is -"),
        (Flat(), "tells-places-from-0-to-1", "bad: places of shape (16,) for 16 samples"),
        (Unbounded(), "tells-places-from-0-to-1", "bad: places from 3 to 3"),
        (Beside(), "reads-the-labels-it-makes", "are better than the original itself (0)"),
        (Unread(), "reads-the-labels-it-makes", "bad: observe cannot read what truth gives: "),
        (Top(1), "describes-itself", "bad: the metric calls itself top-1"),
        (Hits(needs_labels=0), "describes-itself", "bad: needs_labels is 0, not a bool"),
        (Nan(), "gives-a-finite-number", "bad: the value is nan, not finite"),
        (Restless(), "repeats-itself", "the second time"),
        (MeanOfBatches(), "is-the-same-in-other-batches", "in several"),
        (Objects(), "can-be-stored", "bad: observe gave what cannot be stored"),
        (
            Hits(higher_is_better=False),
            "prefers-the-original",
            "is higher_is_better = False right?",
        ),
        (Vandal(), "leaves-its-input-alone", "bad modified outputs or labels"),
    ],
)
def test_metric(metric, check, said):
    host = host_of(NamedMetric("bad", "a summary", lambda network: metric))
    assert said in caught(metric_checks("bad", host), check)


def test_metric_that_needs_labels_in_secret():
    host = host_of(NamedMetric("bad", "a summary", lambda network: Hits(needs_labels=False)))
    assert caught(metric_checks("bad", host), "works-without-labels-it-does-not-need") == (
        "bad: needs_labels is False, and without labels it gives DataError: the metric needs "
        "labels and the data set has none; use --metric fidelity"
    )


def refuses(policy, planning, budget):
    raise PlanError("no\nplan")


def lists(policy, planning, budget):
    return {group.name: [True] * group.size for group in planning.groups}


def unbalanced(policy, planning, budget):
    keep = {group.name: np.ones(group.size, bool) for group in planning.groups}
    for units in keep.values():
        units[0] = False
    return keep


def whole(policy, planning, budget):
    return {group.name: np.ones(group.size, bool) for group in planning.groups}


def restless(policy, planning, budget):
    draw = np.random.default_rng()
    return {g.name: draw.permutation(g.size) < g.size // 2 for g in planning.groups}


def any_number(policy, planning, budget):
    return uniform.prunus_mask(policy, planning, attrs.evolve(budget, multiple=1))


def vandal(policy, planning, budget):
    for scores in planning.scores.values():
        scores[:] = 0
    return uniform.prunus_mask(policy, planning, budget)


@pytest.mark.parametrize(
    ("mask", "check", "said"),
    [
        (refuses, "plans-something", "the message has several lines"),
        (lists, "keeps-channels-that-can-stay", "is not an array of bool"),
        (unbalanced, "keeps-channels-that-can-stay", "are out of balance"),
        (whole, "keeps-what-is-gone-gone", "removed units of group"),
        (whole, "hits-the-rate", "rate 0.3 was asked, the plan removes"),
        (any_number, "keeps-feasible-numbers", "with multiple 2 it can be"),
        (whole, "refuses-a-rate-out-of-reach", "it gives a plan instead of a PlanError"),
        (restless, "repeats-itself", "another plan the second time"),
        (vandal, "leaves-its-input-alone", "bad modified the scores of"),
    ],
)
def test_allocation(mask, check, said):
    host = host_of(Policy("bad", "a summary", "mask"), prunus_mask=mask)
    assert said in caught(allocation_checks("bad", host), check)


def refuses_rates(policy, planning, budget):
    raise UsageError("use me with --threshold")


def refuses_thresholds_silently(policy, planning, budget):
    if budget.rate is None:
        raise UsageError("no")
    return uniform.prunus_mask(policy, planning, budget)


@pytest.mark.parametrize(
    ("mask", "said"),
    [
        (refuses_rates, "bad refuses a rate as wrong usage: use me with --threshold"),
        (refuses_thresholds_silently, "the message does not name 'rate': 'no'"),
    ],
)
def test_allocation_for_one_kind_of_budget(mask, said):
    host = host_of(Policy("bad", "a summary", "mask"), prunus_mask=mask)
    assert said in caught(allocation_checks("bad", host), "plans-something")


def changed(**parts):
    def prunus_analyze(policy, network, analysis):
        return attrs.evolve(analyze(network, analysis), **parts)

    return prunus_analyze


def first_group(policy, network, analysis):
    found = analyze(network, analysis)
    return attrs.evolve(found, curves=found.curves[:1])


def backwards(policy, network, analysis):
    found = analyze(network, analysis)
    curves = [attrs.evolve(c, points=c.points[::-1]) for c in found.curves]
    return attrs.evolve(found, curves=tuple(curves))


def silent(policy, network, analysis):
    return analyze(network, attrs.evolve(analysis, report=lambda done, total: None))


def forgetful(policy, network, analysis):
    nowhere = attrs.evolve(analysis.journal, path=None)
    return analyze(network, attrs.evolve(analysis, journal=nowhere))


def noisy(policy, network, analysis):
    found = analyze(network, analysis)
    draw = np.random.default_rng()
    curves = [
        attrs.evolve(c, points=tuple(attrs.evolve(p, value=draw.random()) for p in c.points))
        for c in found.curves
    ]
    return attrs.evolve(found, curves=tuple(curves))


def writes(policy, network, analysis):
    found = analyze(network, analysis)
    value = next(iter(network.model.graph.initializers.values()))
    value.const_value = type(value.const_value)(value.const_value.numpy() * 1.5)
    return found


@pytest.mark.parametrize(
    ("measure", "check", "said"),
    [
        (changed(metric="x"), "answers-what-was-asked", "metric is 'x', asked was 'fidelity'"),
        (changed(key={}), "answers-what-was-asked", "key is {}, asked was"),
        (first_group, "gives-a-curve-per-group", "bad, lenet: curves of"),
        (backwards, "gives-finite-points", "do not ascend"),
        (silent, "reports-its-progress", "bad reports no progress"),
        (forgetful, "goes-on-after-a-kill", "bad keeps nothing in its journal"),
        (noisy, "repeats-itself", "the second time"),
        (writes, "leaves-its-input-alone", "bad modified 'lenet'"),
    ],
)
def test_analysis(measure, check, said):
    from prunus.testing import checks_analysis

    checks_analysis._form.cache_clear()
    host = host_of(Policy("bad", "a summary", "analyze"), prunus_analyze=measure)
    try:
        assert said in caught(analysis_checks("bad", host), check)
    finally:
        checks_analysis._form.cache_clear()


@pytest.mark.parametrize(
    ("code", "check", "said"),
    [
        (None, "has-one-owner", "no installed distribution offers the command 'bad'"),
        ("import click\n@click.command()\ndef command(): ...", "is-a-click-command", "no help"),
        ("import nothing_at_all", "shows-its-help", "failed to load: ModuleNotFoundError"),
        ("import nothing_at_all", "refuses-an-unknown-option", "exits with 5"),
        (
            "import click, lmdb\n@click.command()\ndef command():\n    'x'",
            "imports-cheaply",
            "imports lmdb",
        ),
    ],
)
def test_command(tmp_path, monkeypatch, code, check, said):
    if "lmdb" in (code or ""):
        pytest.importorskip("lmdb")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    if code is not None:
        module = f"bad_command_{check.replace('-', '_')}"
        (tmp_path / f"{module}.py").write_text(code)
        info = tmp_path / "bad-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Name: bad\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[prunus.commands]\nbad = {module}:command\n")
    assert said in caught(command_checks("bad"), check)
