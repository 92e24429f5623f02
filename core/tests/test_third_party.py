"""Errors of the caller's own callback are not blamed on the plugin that calls it."""

from __future__ import annotations

import types

import numpy as np
import pytest

import prunus
from prunus import finetuning
from prunus.api.measure import analyze
from prunus.descriptors import Policy, Trainer
from prunus.errors import PluginError
from prunus.hookspecs import hookimpl
from prunus.host import OWN, Host, start
from prunus.third_party import is_defect, of_caller
from prunus.training import Progress


def plugin(descriptor, hook, function):
    made = types.ModuleType("acme")
    made.prunus_register = hookimpl(lambda: (descriptor,))
    setattr(made, hook, hookimpl(function))
    return made, "acme 1.0"


def beside_built_in(offered):
    """The core's own methods, and one plugin."""
    own = [(one.plugin, OWN) for one in start().registered if one.distribution == OWN]
    unique = {id(module): (module, owner) for module, owner in own}
    return Host([*unique.values(), offered])


def raising(error):
    def report(*progress):
        raise error

    return report


@pytest.fixture
def samples(draw):
    return draw.standard_normal((20, 1, 12, 12)).astype(np.float32)


@pytest.fixture
def trained(lenet, samples, monkeypatch):
    """`finetune` with a trainer of a third party, as a function of trainer and report."""
    masked = prunus.prune(lenet, prunus.plan(lenet, rate=0.3))

    def run(train, **arguments):
        host = beside_built_in(plugin(Trainer("mine", ""), "prunus_finetune", train))
        monkeypatch.setattr(finetuning, "host", lambda: host)
        given = (samples, np.zeros(20, np.int64))
        return finetuning.finetune(masked, given, trainer="mine", iterations=1, **arguments)

    return run


def told(job):
    job.report(Progress(1, 1, 0.5, 0.1))
    return job.compact.weights()


def measured(analysis):
    analysis.report(1, 1)


ERRORS = (ZeroDivisionError("mine"), SystemExit(3), OSError("no number"), RuntimeError("stop"))


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_the_caller_s_error_passes_through_a_trainer(error, trained):
    with pytest.raises(type(error)) as caught:
        trained(told, report=raising(error))
    assert caught.value is error


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_the_caller_s_error_passes_through_an_analysis(error, lenet, samples, monkeypatch):
    host = beside_built_in(plugin(Policy("mine", "", "analyze"), "prunus_analyze", measured))
    monkeypatch.setattr("prunus.api.measure.host", lambda: host)
    with pytest.raises(type(error)) as caught:
        analyze(lenet, samples, analysis="mine", report=raising(error))
    assert caught.value is error


def test_the_trainer_s_own_error_is_its_own_still(trained):
    def train(job):
        job.report(Progress(1, 1, 0.5, 0.1))
        return 1 / 0

    with pytest.raises(PluginError) as caught:
        trained(train, report=lambda progress: None)
    assert str(caught.value) == (
        "trainer 'mine' of acme 1.0 failed in prunus_finetune: ZeroDivisionError: division by zero; "
        "see --verbose, and report it to its authors"
    )


def test_progress_arrives(trained):
    seen = []
    trained(told, report=seen.append)
    assert [one.iteration for one in seen] == [1]


def test_a_callback_is_marked_once():
    once = of_caller(print)
    assert of_caller(once) is once
    assert once.function is print


def test_an_error_is_the_caller_s_where_it_came_through_the_callback():
    for function, blamed in ((of_caller(raising(KeyError("x"))), False), (raising(KeyError("x")), True)):  # fmt: skip
        with pytest.raises(KeyError) as caught:
            function()
        assert is_defect(caught.value) is blamed
