from __future__ import annotations

from pathlib import Path

import attrs
import numpy as np
import pytest

from prunus.errors import PlanError
from prunus.recovery import producers
from prunus.steps.run import run, run_within
from prunus.steps.workspace import Workspace
from prunus.training.tuning import Tuning

TUNING = Tuning(iterations=2)


def trained(settings):
    """Settings that name training samples too."""
    return attrs.evolve(settings, train_data="test.npz")


def names(report):
    return [stage.name for stage in report.stages]


def test_every_round_starts_from_the_last_one(host, settings, trainer, monkeypatch):
    monkeypatch.setattr(producers, "_EQUATIONS", np.inf)  # filters change by training alone
    report = run(host, trained(settings), (0.3, 0.6), TUNING, Path("small"))
    assert names(report) == [
        "original", "pruned 0.3", "finetuned 0.3", "pruned 0.6", "finetuned 0.6", "transformed"
    ]  # fmt: skip
    first, second = (job.network.weights()["conv2/weight"] for job in trainer.jobs)
    left = second != 0
    assert left.sum() < (first != 0).sum()
    first, second = (job.network.weights()["conv1/weight"] for job in trainer.jobs)
    left = second != 0
    assert np.allclose(second[left], first[left] * 1.01)
    assert report.stages[-1].macs == report.stages[-2].macs
    assert report.stages[-1].metric.value == report.stages[-2].metric.value
    assert report.files == (Path("small/net.onnx"),)


def test_a_round_that_changes_nothing_is_not_finetuned(host, settings, trainer):
    report = run(host, trained(settings), (0.4, 0.4), TUNING, Path("small"))
    assert names(report) == ["original", "pruned 0.4", "finetuned 0.4", "pruned 0.4", "transformed"]
    assert len(trainer.jobs) == 1
    assert "this round changes no structure: finetuning again would bring nothing new" in (
        report.notes
    )
    # what was finetuned is what is transformed
    assert report.stages[-1].metric.value == report.stages[2].metric.value


def test_a_threshold_of_the_configuration_gives_way_to_the_rates(host, settings):
    report = run(
        host, attrs.evolve(trained(settings), threshold=0.01), (0.3,), TUNING, Path("small")
    )
    assert names(report)[-1] == "transformed"


def test_the_last_round_has_a_budget_of_its_own(host, settings, trainer):
    fine = attrs.evolve(trained(settings), multiple=1)
    report = run(host, fine, (0.3,), TUNING, Path("small"), last={"bytes": "9kB"})
    assert names(report) == [
        "original", "pruned 0.3", "finetuned 0.3", "pruned bytes 9kB", "finetuned bytes 9kB",
        "transformed",
    ]  # fmt: skip
    assert len(trainer.jobs) == 2
    assert 0.98 * 9000 < Path("small/net.onnx").stat().st_size <= 9000


def test_rounds_go_on_while_the_finetuned_network_keeps_the_bound(host, settings):
    fidelity = attrs.evolve(trained(settings), metric="fidelity", samples=40)
    report = run_within(host, fidelity, 0.5, TUNING, Path("small"))
    assert names(report)[0] == "original"
    assert names(report)[-1] == "transformed"
    assert names(report)[1] == "pruned 0.3"
    promise = report.facts["promise"]
    assert promise["asked"] == 0.5
    assert promise["loss"] <= 0.5
    assert (promise["samples"], promise["chosen_on"]) == (20, 20)
    best = report.stages[-1]
    tuned = [stage for stage in report.stages if stage.name.startswith("finetuned")]
    assert best.macs in [stage.macs for stage in tuned]
    # the network that is transformed is the smallest that keeps the bound, not the last one tried
    assert best.metric.value >= 0.5 - 0.1
    assert Path("small/net.onnx").exists()
    state = Workspace(Path("ws")).state()
    assert state.finetuned is not None


def test_a_bound_that_no_round_keeps(host, settings, trainer):
    trainer.factor = -1.0
    fidelity = attrs.evolve(trained(settings), metric="fidelity")
    with pytest.raises(PlanError) as caught:
        run_within(host, fidelity, 0.01, TUNING, Path("small"))
    assert str(caught.value) == (
        "max-loss 0.01 is out of reach: no finetuned network is within it; allow more, or train "
        "longer"
    )
    assert not Path("small").exists()
