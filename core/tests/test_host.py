from __future__ import annotations

import inspect
import types

import numpy as np
import pytest

from prunus import hookspecs, host as host_module
from prunus.descriptors import Criterion, Format, NamedMetric, Policy, Trainer
from prunus.errors import MissingPluginError, ModelError, PluginError, UsageError
from prunus.hookspecs import hookimpl
from prunus.host import BUILT_IN, OWN, Broken, Host, start


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
    return host.call(
        Criterion,
        name,
        "prunus_rank",
        network=None,
        group=None,
        samples=None,
        seed=0,
        gradients=None,
    )


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
    with pytest.raises(MissingPluginError) as missing:
        host.find(Trainer, "torch")
    assert str(missing.value) == (
        "unknown trainer 'torch'; there are: none; 'torch' comes with prunus-torch (pip install it)"
    )
    assert missing.value.exit_code == 5
    with pytest.raises(UsageError) as caught:
        host.find(Trainer, "foo")
    assert str(caught.value) == "unknown trainer 'foo'; there are: none"
    assert caught.value.exit_code == 2


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
    assert str(caught.value) == (
        "criterion 'mine' of mine 0.1 gave no usable answer to prunus_rank: it returned None "
        "instead of one finite number a channel"
    )


def test_a_hook_that_is_not_there():
    plugin = module("m", prunus_register=lambda: (Criterion("mine", ""),))
    with pytest.raises(PluginError) as caught:
        rank(Host([(plugin, "mine 0.1")]), "mine")
    assert str(caught.value) == (
        "criterion 'mine' of mine 0.1 has no prunus_rank; its module must implement this hook"
    )


@pytest.mark.parametrize(
    ("descriptor", "hook", "answer", "said"),
    [
        (
            Policy("mine", "", "mask"), "prunus_mask", [7.5],
            "allocation 'mine' of acme 1.0 gave no usable answer to prunus_mask: list [7.5] instead "
            "of a mapping: group name -> array of bool, one a channel",
        ),
        (
            Policy("mine", "", "analyze"), "prunus_analyze", {},
            "analysis 'mine' of acme 1.0 gave no usable answer to prunus_analyze: dict {} instead of "
            "a Sensitivity",
        ),
        (
            Trainer("mine", ""), "prunus_finetune", np.ones((2, 3)),
            "trainer 'mine' of acme 1.0 gave no usable answer to prunus_finetune: ndarray of shape "
            "(2, 3) and type float64 instead of a mapping: initializer name -> array",
        ),
        (
            Format("mine", "", bool), "prunus_load", "x" * 99,
            "format 'mine' of acme 1.0 gave no usable answer to prunus_load: str '"
            + "x" * 56 + "... instead of a Network",
        ),
        (
            Format("mine", "", bool), "prunus_compact", None,
            "format 'mine' of acme 1.0 gave no usable answer to prunus_compact: it returned None "
            "instead of a Written",
        ),
    ],
)  # fmt: skip
def test_an_answer_of_a_wrong_type(descriptor, hook, answer, said):
    host = Host([(hooked(descriptor, hook, lambda: answer), "acme 1.0")])
    with pytest.raises(PluginError) as caught:
        asked(host, descriptor, hook)
    assert str(caught.value) == said


def hooked(descriptor, hook, function):
    return module("m", prunus_register=lambda: (descriptor,), **{hook: hookimpl(function)})


def asked(host, descriptor, hook):
    parameters = inspect.signature(getattr(hookspecs, hook)).parameters
    arguments = dict.fromkeys(list(parameters)[1:])
    return host.call(type(descriptor), descriptor.name, hook, **arguments)


OWNERS = [
    (Criterion("mine", ""), "prunus_rank", "criterion"),
    (Policy("mine", "", "mask"), "prunus_mask", "allocation"),
    (Policy("mine", "", "analyze"), "prunus_analyze", "analysis"),
    (Trainer("mine", ""), "prunus_finetune", "trainer"),
    *(
        (Format("mine", "", bool), hook, "format")
        for hook in ("prunus_load", "prunus_compact", "prunus_lower", "prunus_rebuild")
    ),
]


def raising(error):
    def function():
        raise error

    return function


@pytest.mark.parametrize(("descriptor", "hook", "word"), OWNERS)
@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ZeroDivisionError("two\n  lines"), "ZeroDivisionError: two lines"),
        (AssertionError(), "AssertionError"),
        (KeyError("axis"), "KeyError: 'axis'"),
        (OSError("no licence"), "OSError: no licence"),
        (SystemExit(3), "SystemExit: 3"),
    ],
)
def test_a_defect_in_any_hook_is_one_line_that_names_its_plugin(
    descriptor, hook, word, error, said
):
    host = Host([(hooked(descriptor, hook, raising(error)), "acme 1.0")])
    with pytest.raises(PluginError) as caught:
        asked(host, descriptor, hook)
    assert str(caught.value) == (
        f"{word} 'mine' of acme 1.0 failed in {hook}: {said}; see --verbose, and report it to its "
        "authors"
    )
    assert caught.value.exit_code == 5
    assert caught.value.__cause__ is error


@pytest.mark.parametrize(("descriptor", "hook", "word"), OWNERS)
@pytest.mark.parametrize(
    "error",
    [
        ModelError("on purpose"),
        OSError(28, "No space left on device"),
        MemoryError(),
        KeyboardInterrupt(),
    ],
)
def test_errors_for_users_and_of_the_system_pass(descriptor, hook, word, error):
    host = Host([(hooked(descriptor, hook, raising(error)), "acme 1.0")])
    with pytest.raises(type(error)) as caught:
        asked(host, descriptor, hook)
    assert caught.value is error


def test_a_decoder_s_word_for_damage_passes_where_files_are_read():
    for descriptor, hook, word in OWNERS:
        host = Host([(hooked(descriptor, hook, raising(EOFError("cut"))), "acme 1.0")])
        expected = EOFError if word in ("format", "trainer") else PluginError
        with pytest.raises(expected):
            asked(host, descriptor, hook)


def test_a_defect_of_the_core_s_own_methods_is_none_of_a_plugin():
    host = Host([(hooked(Criterion("mine", ""), "prunus_rank", raising(KeyError("x"))), OWN)])
    with pytest.raises(KeyError):
        rank(host, "mine")


def wrapper_that(before, after):
    def prunus_rank():
        before()
        result = yield
        after()
        return result

    return module("wraps", prunus_rank=hookimpl(wrapper=True)(prunus_rank))


def nothing():
    return None


@pytest.mark.parametrize("place", [0, 1])
def test_a_defect_of_a_wrapper_names_the_wrapper(place):
    acts = [nothing, nothing]
    acts[place] = raising(RuntimeError("no"))
    host = Host([(Scorer(), "acme 1.0"), (wrapper_that(*acts), "paper 2.0")])
    with pytest.raises(PluginError) as caught:
        rank(host, "mine")
    assert str(caught.value) == (
        "plugin 'wraps' of paper 2.0 failed in its wrapper of prunus_rank: RuntimeError: no; see "
        "--verbose, and report it to its authors"
    )


def test_a_wrapper_is_not_blamed_for_what_passes_through_it():
    failing = hooked(Criterion("mine", ""), "prunus_rank", raising(RuntimeError("no")))
    host = Host([(failing, "acme 1.0"), (wrapper_that(nothing, nothing), "paper 2.0")])
    with pytest.raises(PluginError, match="^criterion 'mine' of acme 1.0 failed in prunus_rank: "):
        rank(host, "mine")


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
        (
            module("bad", prunus_register=lambda: None),
            "prunus_register must give descriptors, it gave None",
        ),
        (
            module("bad", prunus_register=lambda: Criterion("x", "t")),
            "prunus_register must give descriptors, it gave a Criterion",
        ),
        (
            module("bad", prunus_register=lambda: (Policy("x", "t", "masks"),)),
            "ValueError: Policy 'x': verb 'masks': analyze or mask",
        ),
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


@pytest.mark.parametrize(
    ("hook", "tail"),
    [("prunus_rnak", "; did you mean 'prunus_rank'?"), ("prunus_bake_a_cake", "")],
)
def test_a_misspelt_hook_is_told_with_the_one_it_is_near_to(hook, tail):
    plugin = module("bad", **{hook: hookimpl(lambda: None)})
    (broken,) = Host([(plugin, "bad 1.0")]).broken
    assert broken.error == f"unknown hook '{hook}' in plugin {plugin!r}{tail}"


@pytest.mark.parametrize(
    ("kind", "name", "hook", "word", "hint"),
    [
        (Criterion, "brk", None, "criterion", ""),
        (Policy, "brk", "prunus_mask", "allocation", ""),
        (Policy, "brk", "prunus_analyze", "analysis", ""),
        (Trainer, "brk", None, "trainer", ""),
        (Format, "brk", None, "format", ""),
        (Criterion, "obd", None, "criterion", "; 'obd' comes with prunus-torch (pip install it)"),
    ],
)
def test_an_unknown_name_tells_which_plugins_failed_to_load(kind, name, hook, word, hint):
    host = Host([], (Broken("odd", "stranger-broken 0.1.0", "ImportError: no clay"),))
    with pytest.raises(UsageError) as caught:
        host.find(kind, name, hook)
    assert str(caught.value) == (
        f"unknown {word} '{name}'; there are: none{hint}; plugin 'odd' of stranger-broken 0.1.0 "
        "failed to load: ImportError: no clay"
    )


def test_a_distribution_that_is_there_and_failed_is_not_to_be_installed():
    host = Host([], (Broken("torch", "prunus-torch 0.1", "ImportError: no torch"),))
    with pytest.raises(UsageError) as caught:
        host.find(Criterion, "obd")
    assert str(caught.value) == (
        "unknown criterion 'obd'; there are: none; plugin 'torch' of prunus-torch 0.1 failed to "
        "load: ImportError: no torch"
    )


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
        "exact", "fast", "given", "global", "search", "sensitivity", "slow-first", "sweep", "uniform"
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
