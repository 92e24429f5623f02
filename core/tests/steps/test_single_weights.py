"""The four steps with masks of single weights."""

from __future__ import annotations

import json
from pathlib import Path

import attrs
import numpy as np
import onnx_ir as ir
import pytest

from prunus.descriptors import Trainer
from prunus.errors import PlanError, PluginError, UsageError
from prunus.hookspecs import hookimpl
from prunus.steps.analyze import analyze
from prunus.steps.continued import newest
from prunus.steps.finetune import finetune
from prunus.steps.prune import prune
from prunus.steps.pruning_report import ZEROS
from prunus.steps.transform import transform
from prunus.training.tuning import Tuning

TRAIN = Tuning(iterations=3)


@pytest.fixture
def settings(settings):
    return attrs.evolve(settings, granularity="weight")


class Holding:
    """Adds to all weights and applies the masks, or not."""

    def __init__(self, hold=True):
        self.hold = hold

    @hookimpl
    def prunus_register(self):
        return (Trainer("torch", "not torch", holds_weights=True, regrows_weights=True),)

    @hookimpl
    def prunus_finetune(self, trainer, job):
        found = {
            name: value.const_value.numpy() + np.float32(0.01)
            for name, value in job.compact.model.graph.initializers.items()
            if name in job.network.bindings
        }
        masks = job.masks
        if job.splicing is not None:
            # as if all masked weights had grown above those that stayed
            masks = job.splicing.choose({name: ~mask * 1.0 for name, mask in masks.items()})
        if self.hold:
            found |= {name: found[name] * mask for name, mask in masks.items()}
        return found


@pytest.fixture
def trainer():
    return Holding()


def zeros(path) -> dict[str, int]:
    weights = ir.load(path).graph.initializers
    return {
        name: int((value.const_value.numpy() == 0).sum())
        for name, value in weights.items()
        if value.const_value.numpy().ndim > 1
    }


def test_all_steps(host, settings):
    pruned = prune(host, attrs.evolve(settings, rate=0.8))
    assert pruned.written.model.parent.name == "weight_rate_0.8"
    gone = sum(int((~units).sum()) for units in pruned.keep.values())
    assert sum(zeros(pruned.written.model).values()) == gone
    assert ZEROS in pruned.report.notes
    first, last = pruned.report.stages
    assert (last.macs, last.params) == (first.macs, first.params - gone)

    anew = attrs.evolve(settings, granularity=None)  # the workspace knows
    tuned = finetune(host, attrs.evolve(anew, train_data="test.npz"), TRAIN)
    assert sum(zeros(tuned.written.model).values()) == gone
    final = transform(host, newest(anew), Path("out"))
    assert sum(zeros(final.written.model).values()) == gone
    assert final.report.facts["granularity"] == "weight"
    assert ZEROS in final.report.notes


def test_regrown_masks_are_stored_beside_the_weights(host, settings):
    pruned = prune(host, attrs.evolve(settings, rate=0.8))
    tuned = finetune(
        host, attrs.evolve(settings, train_data="test.npz"), attrs.evolve(TRAIN, regrow=1)
    )
    stored = json.loads(Path("ws/weight_rate_0.8/snapshots/plan.json").read_text())
    before = json.loads((pruned.written.model.parent / "plan.json").read_text())
    assert stored["granularity"] == "weight"
    assert stored["groups"] != before["groups"]
    assert zeros(tuned.written.model) == zeros(pruned.written.model)
    final = transform(host, newest(settings), Path("out"))
    assert zeros(final.written.model) == zeros(tuned.written.model)


def test_a_second_round_keeps_what_is_gone(host, settings):
    first = prune(host, attrs.evolve(settings, rate=0.5))
    second = prune(host, attrs.evolve(settings, rate=0.8, model=first.written.model))
    for name, units in second.keep.items():
        assert not (units & ~first.keep[name]).any()


def test_densities_and_patterns(host, settings):
    given = prune(host, attrs.evolve(settings, density={"ip1": 0.25}))
    assert set(given.keep) == {"ip1"}
    assert given.keep["ip1"].mean() == pytest.approx(0.25, abs=0.01)
    half = prune(host, attrs.evolve(settings, granularity="2:4"))
    assert half.written.model.parent.name == "2of4_density"
    for units in half.keep.values():
        assert (units.reshape(-1, 4).sum(1) == 2).all()


def test_densities_of_no_layer(host, settings):
    with pytest.raises(PlanError, match=r"^--density fc9: no such group; there are: "):
        prune(host, attrs.evolve(settings, density={"fc9": 0.25}))
    with pytest.raises(UsageError) as caught:
        prune(host, attrs.evolve(settings, density={"ip1": 0.0}))
    assert str(caught.value) == "--density ip1=0: a share above 0, up to 1"


def test_curves_of_weights_divide_the_rate(host, settings):
    found = analyze(host, settings, ratios=(0.3, 0.6, 0.9)).sensitivity
    pruned = prune(host, attrs.evolve(settings, rate=0.7))
    assert {curve.group for curve in found.curves} >= set(pruned.keep)
    assert pruned.report.facts["rate"] == pytest.approx(0.7, rel=0.01)


def test_a_criterion_of_channels_is_refused(host, settings):
    with pytest.raises(UsageError) as caught:
        prune(host, attrs.evolve(settings, rate=0.5, criterion="l1"))
    assert str(caught.value) == (
        "criterion 'l1' scores channels, and the granularity is weight; use lamp, magnitude, obs"
    )


def test_the_missing_criterion_names_its_distribution(host, settings):
    with pytest.raises(UsageError, match=r"'obd' comes with prunus-torch \(pip install it\)$"):
        prune(host, attrs.evolve(settings, rate=0.5, criterion="obd"))


def test_a_trainer_that_lets_go_is_found_out(host, settings, trainer):
    prune(host, attrs.evolve(settings, rate=0.5))
    trainer.hold = False
    with pytest.raises(PluginError, match="did not hold the mask of"):
        finetune(host, attrs.evolve(settings, train_data="test.npz"), TRAIN)
