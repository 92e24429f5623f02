from __future__ import annotations

from pathlib import Path

import attrs
import numpy as np

from prunus.steps.run import run
from prunus.training.tuning import Tuning

TUNING = Tuning(data="test.npz", iterations=2)


def names(report):
    return [stage.name for stage in report.stages]


def test_every_round_starts_from_the_last_one(host, settings, trainer):
    report = run(host, settings, (0.3, 0.6), TUNING, Path("small"))
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
    report = run(host, settings, (0.4, 0.4), TUNING, Path("small"))
    assert names(report) == ["original", "pruned 0.4", "finetuned 0.4", "pruned 0.4", "transformed"]
    assert len(trainer.jobs) == 1
    assert "this round changes no structure: finetuning again would bring nothing new" in (
        report.notes
    )
    # what was finetuned is what is transformed
    assert report.stages[-1].metric.value == report.stages[2].metric.value


def test_a_threshold_of_the_configuration_gives_way_to_the_rates(host, settings):
    report = run(host, attrs.evolve(settings, threshold=0.01), (0.3,), TUNING, Path("small"))
    assert names(report)[-1] == "transformed"
