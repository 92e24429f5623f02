"""The kit fails where a plugin breaks its contract: every check has a plugin it catches."""

from __future__ import annotations

import re
import types

import numpy as np
import pytest

from prunus.descriptors import Criterion, Format
from prunus.errors import PluginError, UsageError
from prunus.grouping import find_groups
from prunus.hookspecs import hookimpl
from prunus.host import Host
from prunus.planning.scores import scores_of
from prunus.prunable import prunable
from prunus.testing import Check, ExpectedFailure, criterion_checks, format_checks
from prunus.testing.nets import NETS, as_network


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
    known = ExpectedFailure("it draws", "known")
    Check("x", fail, known)()
    with pytest.raises(AssertionError, match="x passes, although it should fail because it draws"):
        Check("x", lambda: None, known)()


def test_expected_failure_excuses_no_other_one():
    with pytest.raises(AssertionError) as caught:
        Check("x", fail, ExpectedFailure("it draws", "off by"))()
    assert str(caught.value) == (
        "x fails in another way than expected: known; the expected failure says 'off by', because "
        "it draws"
    )


def test_a_defect_is_a_failed_check_that_names_the_plugin():
    def rank(criterion, network, group, samples, seed):
        raise ZeroDivisionError("no")

    checks = {check.name: check for check in criterion_checks("bad", criterion(rank))}
    with pytest.raises(AssertionError) as caught:
        checks["bad-scores-something"]()
    assert str(caught.value) == (
        "bad-scores-something: criterion 'bad' of test 1.0 failed in prunus_rank: "
        "ZeroDivisionError: no; see --verbose, and report it to its authors"
    )


def test_a_list_is_told_by_the_check_of_permutations():
    checks = {check.name: check for check in criterion_checks("bad", criterion(a_list))}
    with pytest.raises(AssertionError) as caught:
        checks["bad-follows-a-permutation"]()
    assert re.fullmatch("bad, group '[^']+': gave a list", str(caught.value))


@pytest.mark.parametrize(
    ("names", "answer"),
    [
        (lambda asked: [], "has no group '{0}'"),
        (lambda asked: [*asked, "attic"], "names 'attic', which is no group asked for,"),
    ],
)
def test_scores_of_all_groups_are_of_the_groups_asked_for(names, answer):
    @hookimpl
    def prunus_rank_all(criterion, network, groups, samples, seed):
        return {name: np.ones(groups[0].size) for name in names([one.name for one in groups])}

    @hookimpl
    def prunus_register():
        return (Criterion("bad", "a summary", together=True),)

    host = host_of(prunus_register=prunus_register, prunus_rank_all=prunus_rank_all)
    checks = {check.name: check for check in criterion_checks("bad", host)}
    network = as_network(NETS["lenet"](0))
    first = find_groups(network).groups[0].name
    said = (
        "criterion 'bad' of test 1.0 gave no usable answer to prunus_rank_all: a mapping that "
        f"{answer.format(first)} instead of one entry for each group asked for"
    )
    with pytest.raises(AssertionError) as caught:
        checks["bad-scores-something"]()
    assert str(caught.value) == f"bad-scores-something: {said}"
    with pytest.raises(PluginError) as refused:
        scores_of(host, "bad", prunable(network), None, 0)
    assert str(refused.value) == said


def test_a_plugin_that_fails_to_load_is_told():
    host = host_of(prunus_register=hookimpl(lambda: (Criterion("Bad", "a summary"),)))
    for name in ("is-registered", "implements-its-hooks", "imports-cheaply"):
        checks = {check.name: check for check in criterion_checks("bad", host)}
        with pytest.raises(AssertionError) as caught:
            checks[f"bad-{name}"]()
        assert str(caught.value) == (
            "unknown criterion 'bad'; there are: none; plugin 'json' of test 1.0 failed to load: "
            "ValueError: Criterion name 'Bad' is not lower case"
        )


def test_damage_that_crashes_a_format_is_no_refusal(tmp_path):
    from prunus.network import Source
    from prunus.testing.checks_refusal import check_damage
    from prunus.testing.subject import Subject

    @hookimpl
    def prunus_register():
        return (Format("bad", "indexes", lambda path: False),)

    @hookimpl
    def prunus_load(format, source):
        return source.model.read_bytes()[9999]

    host = host_of(prunus_register=prunus_register, prunus_load=prunus_load)
    (tmp_path / "net.bad").write_bytes(b"weights")
    with pytest.raises(AssertionError) as caught:
        check_damage(Subject("bad", host), Source(tmp_path / "net.bad"))
    assert str(caught.value) == (
        "net.bad cut to 0 of 7 bytes is no one-line error of the format: format 'bad' of test "
        "1.0 failed in prunus_load: "
        "IndexError: index out of range; see --verbose, and report it to its authors"
    )


def test_expected_failure_has_to_name_a_check():
    with pytest.raises(ValueError, match="no check is called misspelt; there are: is-registered"):
        criterion_checks(
            "l1", expected_failures={"misspelt": ExpectedFailure("a reason", "a text")}
        )
