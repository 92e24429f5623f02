from __future__ import annotations

import types

import pytest

from prunus import host as host_module
from prunus.descriptors import Criterion, Format, NamedMetric, Policy, Trainer
from prunus.errors import PluginError, UsageError
from prunus.hookspecs import hookimpl
from prunus.host import BUILT_IN, Broken, Host, start


class Scorer:
    """One criterion that gives what it is told to."""

    def __init__(self, name="mine", answer=1):
        self.name, self.answer = name, answer

    @hookimpl
    def prunus_register(self):
        return (Criterion(self.name, "a test"),)

    @hookimpl
    def prunus_rank(self, criterion, seed):
        return self.answer


def module(name, **functions):
    """A plugin as a module, as entry points give them."""
    made = types.ModuleType(name)
    for key, function in functions.items():
        setattr(made, key, function)
    return made


def rank(host, name):
    return host.call(Criterion, name, "prunus_rank", network=None, group=None, samples=None, seed=0)


def test_owners_do_not_answer_for_each_other():
    first, second = (
        Scorer("one", 1),
        module(
            "second",
            prunus_register=hookimpl(lambda: (Criterion("two", "t"),)),
            prunus_rank=hookimpl(lambda criterion: f"second for {criterion}"),
        ),
    )
    host = Host([(first, "a"), (second, "b")])
    assert rank(host, "one") == 1
    assert rank(host, "two") == "second for two"


def test_wrappers_of_any_plugin_act():
    def prunus_rank(criterion):
        return (yield) + 10

    wrapper = module("wrapper", prunus_rank=hookimpl(wrapper=True)(prunus_rank))
    assert rank(Host([(Scorer(), "a"), (wrapper, "b")]), "mine") == 11


def test_a_name_twice_names_both_distributions():
    plugins = [(Scorer("l1"), "first 1.0"), (module("m", prunus_register=lambda: (Criterion("l1", ""),)), "second 2.0")]  # fmt: skip
    with pytest.raises(PluginError) as caught:
        Host(plugins)
    assert str(caught.value) == (
        "criterion 'l1' is offered by first 1.0 and by second 2.0; uninstall one of them or "
        "choose with PRUNUS_PLUGINS"
    )


def metric(name):
    return NamedMetric(name, "a test", lambda network: None)


def clay(**metrics):
    return Format("clay", "", lambda path: False, metrics=metrics)


@pytest.mark.parametrize(
    ("first", "second", "named"),
    [
        (metric("heat"), metric("heat"), "metric 'heat'"),
        (metric("heat"), clay(heat=None), "metric 'heat'"),
        (clay(heat=None), metric("heat"), "metric 'heat'"),
        (Policy("even", "", "mask"), Policy("even", "", "mask"), "allocation 'even'"),
    ],
)
def test_the_second_owner_of_a_name_is_refused(first, second, named):
    plugins = [(module(name, prunus_register=lambda own=own: (own,)), f"{name} 1.0") for name, own in (("one", first), ("two", second))]  # fmt: skip
    with pytest.raises(PluginError) as caught:
        Host(plugins)
    assert str(caught.value) == (
        f"{named} is offered by one 1.0 and by two 1.0; uninstall one of them or choose with "
        "PRUNUS_PLUGINS"
    )


def test_names_that_do_not_meet():
    """Two formats' own metrics; an analysis and an allocation."""
    other = Format("mud", "", lambda path: False, metrics={"heat": None})
    both = (clay(heat=None), other, Policy("even", "", "mask"), Policy("even", "", "analyze"))
    host = Host([(module("m", prunus_register=lambda: both), "a")])
    assert len(host.registered) == 4


def test_one_name_may_be_of_different_kinds():
    both = module("m", prunus_register=lambda: (Trainer("torch", ""), Criterion("torch", "")))
    assert Host([(both, "a")]).find(Trainer, "torch").descriptor == Trainer("torch", "")


def test_unknown_names_list_what_there_is():
    host = Host([(Scorer("l1"), "a"), (module("m", prunus_register=lambda: (Criterion("fpgm", ""),)), "b")])  # fmt: skip
    with pytest.raises(UsageError) as caught:
        host.find(Criterion, "fpgn")
    assert (
        str(caught.value) == "unknown criterion 'fpgn'; there are: fpgm, l1; did you mean 'fpgm'?"
    )
    with pytest.raises(UsageError) as caught:
        host.find(Trainer, "torch")
    assert str(caught.value) == (
        "unknown trainer 'torch'; there are: none; if a plugin offers it, install that one "
        "(pip install prunus-torch)"
    )


def test_a_policy_is_found_by_the_hook_it_answers():
    plugin = module("m", prunus_register=lambda: (Policy("exact", "", "analyze"), Policy("even", "", "mask")))  # fmt: skip
    host = Host([(plugin, "a")])
    assert host.find(Policy, "exact").descriptor.verb == "analyze"
    with pytest.raises(UsageError) as caught:
        host.call(Policy, "exact", "prunus_mask", planning=None, budget=None)
    assert str(caught.value) == "unknown allocation 'exact'; there are: even"


def test_no_answer_is_a_defect_of_the_plugin():
    with pytest.raises(PluginError) as caught:
        rank(Host([(Scorer(answer=None), "mine 0.1")]), "mine")
    assert str(caught.value) == "plugin 'mine 0.1' gave no answer to prunus_rank for 'mine'"


def fails():
    raise RuntimeError("no licence")


@pytest.mark.parametrize(
    ("plugin", "error"),
    [
        (module("bad", prunus_register=fails), "RuntimeError: no licence"),
        (
            module("bad", prunus_register=lambda: ("l1",)),
            "prunus_register gave 'l1', which is no descriptor",
        ),
        (module("bad", prunus_register=lambda: None), "TypeError: 'NoneType' object is not iterable"),
        (
            module("bad", prunus_rank=hookimpl(lambda criterion, weights: None)),
            "Plugin 'bad' for hook 'prunus_rank'",
        ),
        (module("bad", prunus_guess=hookimpl(lambda: None)), "unknown hook 'prunus_guess' in plugin"),
    ],
)  # fmt: skip
def test_a_broken_plugin_does_not_stop_the_others(plugin, error):
    host = Host([(plugin, "bad 1.0"), (Scorer(), "good")])
    assert rank(host, "mine") == 1
    (broken,) = host.broken
    assert (broken.name, broken.distribution) == ("bad", "bad 1.0")
    assert broken.error.startswith(error)
    assert host.failures() == f"; plugin 'bad' of bad 1.0 failed to load: {broken.error}"


def test_a_broken_plugin_explains_its_missing_name():
    with pytest.raises(UsageError) as caught:
        Host([], (Broken("caffe", "prunus-caffe 0.1", "ImportError: no protobuf"),)).find(
            Format, "caffe"
        )
    assert str(caught.value) == (
        "unknown format 'caffe'; there are: none; plugin 'caffe' of prunus-caffe 0.1 failed to "
        "load: ImportError: no protobuf"
    )


def test_an_empty_selection_loads_the_built_in_plugins_only(monkeypatch):
    monkeypatch.setenv("PRUNUS_PLUGINS", "")
    host = start()
    assert {entry.plugin.__name__ for entry in host.registered} == set(BUILT_IN)
    assert [policy.name for policy in host.all(Policy)] == [
        "exact", "global", "sensitivity", "sweep", "uniform"
    ]  # fmt: skip


def test_a_plugin_that_cannot_be_imported(monkeypatch):
    class Point:
        name, dist = "odd", types.SimpleNamespace(name="prunus-odd", version="3")

        def load(self):
            raise ImportError("no module named odd")

    monkeypatch.setattr(host_module, "installed", lambda: [Point()])
    host = start()
    assert host.broken == [Broken("odd", "prunus-odd 3", "ImportError: no module named odd")]
    assert host.find(Criterion, "l1")


def test_every_call_is_printed_on_request(monkeypatch, capsys):
    monkeypatch.setenv("PRUNUS_TRACE", "1")
    rank(Host([(Scorer(), "a")]), "mine")
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("hook prunus_rank(")
    assert "'criterion': 'mine'" in line
    assert line.endswith("-> Scorer")
