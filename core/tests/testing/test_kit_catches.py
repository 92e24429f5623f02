"""The kit fails where a plugin breaks its contract: every check has a plugin it catches."""

from __future__ import annotations

import types

import numpy as np
import pytest

from prunus.descriptors import Criterion, Format
from prunus.errors import UsageError
from prunus.hookspecs import hookimpl
from prunus.host import Host
from prunus.testing import Check, criterion_checks, format_checks


def host_of(**functions):
    """A host with one plugin, made of functions."""
    plugin = types.ModuleType("json")  # any module that imports cheaply
    for name, function in functions.items():
        setattr(plugin, name, function)
    return Host([(plugin, "test 1.0")])


def criterion(rank, summary="a summary", samples=False):
    @hookimpl
    def prunus_register():
        return (Criterion("bad", summary, samples),)

    return host_of(prunus_register=prunus_register, prunus_rank=hookimpl(rank))


def failing(checks):
    names = []
    for check in checks:
        try:
            check()
        except AssertionError:
            names.append(check.name.removeprefix("bad-"))
    return names


def norm(criterion, network, group, samples, seed):
    return group.members[0].slices(network).sum(1)


def test_a_good_one_passes():
    assert failing(criterion_checks("bad", criterion(norm))) == []


def wrong_shape(criterion, network, group, samples, seed):
    return np.zeros(group.size + 1)


def single_precision(criterion, network, group, samples, seed):
    return np.arange(group.size, dtype=np.float32)


def not_finite(criterion, network, group, samples, seed):
    return np.full(group.size, np.nan)


def a_list(criterion, network, group, samples, seed):
    return [0.0] * group.size


def by_position(criterion, network, group, samples, seed):
    return np.arange(group.size, dtype=np.float64)


def vandal(criterion, network, group, samples, seed):
    scores = norm(criterion, network, group, samples, seed)
    value = network.model.graph.initializers[group.members[0].initializer]
    value.const_value = type(value.const_value)(value.const_value.numpy() * 1.5)
    return scores


def silent(criterion, network, group, samples, seed):
    raise UsageError("no")


def talkative(criterion, network, group, samples, seed):
    raise UsageError(f"{group.name}\ncannot be scored")


def refusing(criterion, network, group, samples, seed):
    raise UsageError(f"cannot score '{group.name}'")


@pytest.mark.parametrize(
    ("rank", "caught"),
    [
        (wrong_shape, "gives-finite-float64-per-unit"),
        (single_precision, "gives-finite-float64-per-unit"),
        (not_finite, "gives-finite-float64-per-unit"),
        (a_list, "gives-finite-float64-per-unit"),
        (by_position, "follows-a-permutation"),
        (silent, "scores-something"),
        (talkative, "scores-something"),
        (refusing, "scores-something"),
    ],
)
def test_criterion(rank, caught):
    checks = {check.name: check for check in criterion_checks("bad", criterion(rank))}
    with pytest.raises(AssertionError):
        checks[f"bad-{caught}"]()


def test_restless_criterion():
    draw = np.random.default_rng(0)

    def rank(criterion, network, group, samples, seed):
        return draw.random(group.size)

    assert "repeats-with-the-seed" in failing(criterion_checks("bad", criterion(rank)))


def test_criterion_that_writes_into_its_network():
    from prunus.testing import checks_criterion

    checks_criterion._form.cache_clear()
    try:
        assert "leaves-its-input-alone" in failing(criterion_checks("bad", criterion(vandal)))
    finally:
        checks_criterion._form.cache_clear()


def test_defaults_in_a_hook():
    def rank(criterion, network, group, samples, seed=0):
        return np.zeros(group.size)

    checks = {check.name: check for check in criterion_checks("bad", criterion(rank))}
    with pytest.raises(AssertionError, match="argument seed of prunus_rank has a default"):
        checks["bad-implements-its-hooks"]()


def test_keyword_only_argument():
    def rank(criterion, network, group, samples, *, seed):
        return np.zeros(group.size)

    checks = {check.name: check for check in criterion_checks("bad", criterion(rank))}
    with pytest.raises(AssertionError, match="argument seed of prunus_rank is KEYWORD_ONLY"):
        checks["bad-implements-its-hooks"]()


def test_misspelt_hook():
    host = criterion(norm)
    host.registered[0].plugin.prunus_rnak = norm
    checks = {check.name: check for check in criterion_checks("bad", host)}
    with pytest.raises(AssertionError, match="there is no hook prunus_rnak; is it misspelt"):
        checks["bad-implements-its-hooks"]()


def test_hook_without_mark():
    host = criterion(norm)
    host.registered[0].plugin.prunus_mask = lambda policy, planning, budget: {}
    checks = {check.name: check for check in criterion_checks("bad", host)}
    with pytest.raises(AssertionError, match="prunus_mask is not marked with @hookimpl"):
        checks["bad-implements-its-hooks"]()


@pytest.mark.parametrize("summary", ["", "two\nlines"])
def test_summary(summary):
    assert "is-registered" in failing(criterion_checks("bad", criterion(norm, summary)))


def test_heavy_import(tmp_path, monkeypatch):
    (tmp_path / "heavy_plugin.py").write_text("import onnxruntime\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    import heavy_plugin

    heavy_plugin.prunus_register = hookimpl(lambda: (Criterion("bad", "heavy"),))
    heavy_plugin.prunus_rank = hookimpl(norm)
    checks = criterion_checks("bad", Host([(heavy_plugin, "test 1.0")]))
    found = {check.name: check for check in checks}
    with pytest.raises(AssertionError, match="heavy_plugin imports onnxruntime"):
        found["bad-imports-cheaply"]()


def test_samples_are_given_to_those_who_ask():
    def rank(criterion, network, group, samples, seed):
        assert samples is not None
        return norm(criterion, network, group, samples, seed)

    assert failing(criterion_checks("bad", criterion(rank, samples=True))) == []


def test_greedy_format():
    @hookimpl
    def prunus_register():
        return (Format("bad", "takes everything", lambda path: True),)

    @hookimpl
    def prunus_load(format, source):
        raise NotImplementedError

    @hookimpl
    def prunus_compact(format, network, compact, destination):
        raise NotImplementedError

    host = host_of(
        prunus_register=prunus_register, prunus_load=prunus_load, prunus_compact=prunus_compact
    )
    assert failing(format_checks("bad", [], host=host)) == ["detects-nothing-else"]


def fail():
    raise AssertionError("known")


def test_expected_failure_has_to_fail():
    Check("x", fail, "it is known")()
    with pytest.raises(AssertionError, match="x passes, although it should fail because it is k"):
        Check("x", lambda: None, "it is known")()


def test_expected_failure_has_to_name_a_check():
    with pytest.raises(ValueError, match="no check is called misspelt; there are: is-registered"):
        criterion_checks("l1", expected_failures={"misspelt": "a reason"})
