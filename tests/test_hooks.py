"""Hooks are documented in full and found through plugins that may be broken."""

from __future__ import annotations

import inspect

import pytest

from prunus import hookspecs
from prunus.descriptors import Criterion
from prunus.errors import PluginError
from prunus.hookspecs import hookimpl
from prunus.host import BUILT_IN, Host, start

SPECS = [f for name, f in vars(hookspecs).items() if name.startswith("prunus_")]


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.__name__)
def test_every_docstring_has_its_five_parts(spec):
    text = inspect.getdoc(spec)
    for part in ("Args:", "Returns:", "Raises:", "When it is called:"):
        assert part in text
    for name in inspect.signature(spec).parameters:
        assert f"    {name}: " in text, f"{spec.__name__} does not document {name}"


def test_the_hooks_are_a_register_nine_verbs_three_for_live_models_three_of_engines():
    assert [spec.__name__ for spec in SPECS] == [
        "prunus_register", "prunus_load", "prunus_lower", "prunus_rebuild", "prunus_infer", "prunus_analyze", "prunus_rank", "prunus_rank_all", "prunus_mask",
        "prunus_finetune", "prunus_differentiate", "prunus_compact", "prunus_share",
        "prunus_convert", "prunus_open", "prunus_quantize",
    ]  # fmt: skip


def test_built_in_plugins_all_load():
    host = start()
    assert [b for b in host.broken if b.distribution.startswith("prunus 0")] == []
    assert len({id(r.plugin) for r in host.registered}) >= len(BUILT_IN)


class Plugin:
    """A criterion."""

    def __init__(self, name: str) -> None:
        self.__name__ = f"plugin_{name}_{id(self)}"
        self._name = name

    @hookimpl
    def prunus_register(self):
        return (Criterion(self._name, "test"),)

    @hookimpl
    def prunus_rank(self, criterion, network, group, samples, seed):
        return None


class Misspelt(Plugin):
    """A hook that does not exist."""

    @hookimpl
    def prunus_rnak(self):
        """Typo."""


def test_two_plugins_of_one_name_are_an_error_naming_both():
    with pytest.raises(
        PluginError,
        match="criterion 'same' is offered by one 1.0 and by two 2.0; uninstall one of them",
    ):
        Host([(Plugin("same"), "one 1.0"), (Plugin("same"), "two 2.0")])


def test_unknown_hook_marks_the_plugin_as_broken_and_spares_the_others():
    host = Host([(Misspelt("bad"), "bad 1.0"), (Plugin("good"), "good 1.0")])
    assert [entry.distribution for entry in host.broken] == ["bad 1.0"]
    assert [descriptor.name for descriptor in host.all(Criterion)] == ["good"]


def test_no_answer_is_the_plugins_defect():
    host = Host([(Plugin("mute"), "mute 1.0")])
    with pytest.raises(
        PluginError,
        match="criterion 'mute' of mute 1.0 gave no usable answer to prunus_rank: it returned None",
    ):
        host.call(
            Criterion,
            "mute",
            "prunus_rank",
            network=None,
            group=None,
            samples=None,
            seed=0,
            gradients=None,
        )


def test_wrappers_run_around_the_owner_and_other_owners_do_not():
    calls = []

    class Owner(Plugin):
        @hookimpl
        def prunus_rank(self, criterion, network, group, samples, seed):
            calls.append(self._name)
            return 1

    class Wrapper:
        __name__ = "wrapper"

        @hookimpl(wrapper=True)
        def prunus_rank(self, criterion):
            calls.append("before")
            result = yield
            calls.append("after")
            return result

    host = Host([(Owner("a"), "a"), (Wrapper(), "w"), (Owner("b"), "b")])
    host.call(
        Criterion,
        "a",
        "prunus_rank",
        network=None,
        group=None,
        samples=None,
        seed=0,
        gradients=None,
    )
    assert calls == ["before", "a", "after"]


def test_only_chosen_plugins_are_loaded(monkeypatch):
    monkeypatch.setenv("PRUNUS_PLUGINS", "")
    assert {r.distribution.split()[0] for r in start().registered} == {"prunus"}
