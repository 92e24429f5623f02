from __future__ import annotations

from pathlib import Path

import attrs
import numpy as np
import pytest

from prunus.descriptors import Criterion
from prunus.errors import DataError, PlanError
from prunus.hookspecs import hookimpl
from prunus.host import Host
from prunus.steps.analyze import analyze
from prunus.steps.workspace import Workspace

RATIOS = (0.25, 0.5)


def once(host, settings, ratios=RATIOS, **changes):
    return analyze(host, attrs.evolve(settings, **changes), ratios)


def test_an_unchanged_analysis_is_reused(host, settings):
    first = once(host, settings)
    again = once(host, settings)
    assert (first.reused, again.reused) == (False, True)
    assert again.sensitivity.to_json() == first.sensitivity.to_json()
    assert sorted(path.name for path in Path("ws").iterdir()) == [
        "ana.json", "history.json", "state.json"
    ]  # fmt: skip


@pytest.mark.parametrize(
    "changes",
    [
        {"ratios": (0.5,)},
        {"criterion": "l2"},
        {"criterion": "random", "seed": 1},
        {"metric": "fidelity"},
        {"samples": 10},
        {"exclude": ("conv2",)},
        {"data": "test.npz:scale=2"},
    ],
    ids=str,
)
def test_whatever_changes_the_result_makes_a_new_one(host, settings, changes):
    once(host, settings, criterion="random" if "seed" in changes else None)
    assert not once(host, settings, **changes).reused


def test_other_weights_make_a_new_one(host, settings, other):
    once(host, settings)
    assert not once(host, other).reused


def test_partial_results_of_other_settings_are_not_used(host, settings):
    whole = once(host, settings, workspace=Path("whole"))
    Path("ws").mkdir()
    journal = '{"key": {"weights": "others"}}\n{"piece": "0", "value": {"conv1": "nonsense"}}\n'
    Path("ws/ana.partial.jsonl").write_text(journal)
    found = once(host, settings)
    assert found.sensitivity.to_json() == whole.sensitivity.to_json()
    assert not Path("ws/ana.partial.jsonl").exists()


def test_one_sample(host, settings, draw):
    np.savez("one.npz", x=draw.standard_normal((1, 1, 12, 12)), y=[2])
    found = once(host, settings, data="one.npz").sensitivity
    assert found.baseline.value in (0.0, 1.0)
    assert found.baseline.error == 0.0
    assert all(-1e-9 <= point.value <= 1.0 for curve in found.curves for point in curve.points)


def test_no_samples_and_no_groups(host, settings):
    with pytest.raises(DataError) as caught:
        once(host, settings, data=None)
    assert str(caught.value) == (
        "no samples to analyse with: give --data, or prune without 'ana' by --allocation uniform"
    )
    with pytest.raises(PlanError) as caught:
        once(host, settings, exclude=("conv1", "conv2", "ip1"))
    assert str(caught.value) == (
        "no prunable group: every channel is protected; 'prunus stat' lists the reasons"
    )
    assert not Path("ws").exists()


class Needy:
    """A criterion that scores by what it sees."""

    @hookimpl
    def prunus_register(self):
        return (Criterion("needy", "a test", needs_samples=True),)

    @hookimpl
    def prunus_rank(self, group, samples):
        assert samples["data"].shape == (40, 1, 12, 12)
        return np.arange(group.size, dtype=float)


def test_a_criterion_that_needs_samples_gets_them(host, settings):
    from prunus.steps.prune import prune

    plugins = dict.fromkeys((entry.plugin, entry.distribution) for entry in host.registered)
    needy = Host([*plugins, (Needy(), "needy")])
    found = prune(needy, attrs.evolve(settings, criterion="needy", rate=0.5))
    assert all(np.flatnonzero(~kept).max() < kept.argmax() for kept in found.keep.values())
    with pytest.raises(DataError) as caught:
        prune(needy, attrs.evolve(settings, criterion="needy", rate=0.5, data=None))
    assert str(caught.value) == "criterion 'needy' needs samples; give --data"


def test_progress_ends_at_the_total(host, settings):
    seen = []
    analyze(host, settings, RATIOS, lambda done, total: seen.append((done, total)))
    assert seen[-1][0] == seen[-1][1] == len(seen)
    assert Workspace(Path("ws")).recall("original").model == Path("net.onnx").absolute()


@pytest.mark.parametrize("text", ["{", "[]", '{"curves": 3}'])
def test_a_damaged_result_is_measured_again(host, settings, text):
    found = analyze(host, settings, (0.5,)).sensitivity
    Path("ws/ana.json").write_text(text)
    assert analyze(host, settings, (0.5,)).sensitivity.to_json() == found.to_json()
    assert Workspace(Path("ws")).sensitivity().to_json() == found.to_json()


def test_an_interrupted_analysis_goes_on(host, settings):
    whole = analyze(host, attrs.evolve(settings, workspace=Path("whole")), RATIOS).sensitivity

    def press(done, total):
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        analyze(host, settings, RATIOS, press)
    assert str(caught.value) == "the same command goes on from what is measured"
    seen = []
    again = analyze(host, settings, RATIOS, lambda done, total: seen.append(done)).sensitivity
    assert again.to_json() == whole.to_json()
    assert min(seen) > 0
