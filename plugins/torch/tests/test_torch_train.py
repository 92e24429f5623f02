"""The training loop: what it learns, what it leaves alone, what it refuses."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import onnx_ir as ir
import pytest
from onnx import helper

from prunus.descriptors import Trainer
from prunus.errors import DataError, ModelError, UsageError
from prunus.evaluation.data import ArrayDataset
from prunus.task import LearningRate, Measurement
from prunus.training import Progress, Weights
from prunus_torch.executor import Program, evaluate
from prunus_torch.parameters import variables_of
from prunus_torch.plugin import prunus_register
from prunus_torch.settings import Settings, settings_from
from prunus_torch.testing import train_job as jobs
from prunus_torch.testing.graphs import model_of
from prunus_torch.testing.jobs import network_of, roles_by_name
from prunus_torch.train import train


def changed(job: Any, **recipe: Any) -> Any:
    return attrs.evolve(job, recipe=attrs.evolve(job.recipe, **recipe))


def accuracy(weights: Weights) -> float:
    model = jobs.net(0)
    for name, array in weights.items():
        model.graph.initializers[name].const_value = ir.tensor(array)
    data = jobs.samples()
    scores = evaluate(model, {"x": data.samples})["y"]
    return float((scores.argmax(1) == data.labels).mean())


def test_learns(tmp_path: Path) -> None:
    job = changed(
        jobs.job(tmp_path), iterations=120, dropout={}, learning_rate=LearningRate(base=0.02)
    )
    start = {
        name: value.const_value.numpy() for name, value in jobs.net(0).graph.initializers.items()
    }
    assert accuracy(train(job)) >= accuracy(start) + 0.4


def test_distillation_needs_no_labels_and_nears_the_teacher(tmp_path: Path) -> None:
    data = jobs.samples()
    unlabelled = jobs.Noisy("x", data.samples, None)
    job = changed(
        attrs.evolve(jobs.job(tmp_path, distill=True), training=unlabelled),
        iterations=150,
        dropout={},
        learning_rate=LearningRate(base=0.02),
        bn_frozen=True,
    )
    before = evaluate(jobs.net(0), {"x": data.samples})["y"]
    wanted = evaluate(jobs.net(5), {"x": data.samples})["y"]
    model = jobs.net(0)
    for name, array in train(job).items():
        model.graph.initializers[name].const_value = ir.tensor(array)
    after = evaluate(model, {"x": data.samples})["y"]
    assert np.square(after - wanted).mean() < 0.1 * np.square(before - wanted).mean()


def test_reports_and_evaluates(tmp_path: Path) -> None:
    seen: list[Progress] = []
    asked: list[set[str]] = []

    def measure(weights: Weights) -> Measurement:
        asked.append(set(weights))
        return Measurement(float(len(asked)))

    job = attrs.evolve(jobs.job(tmp_path), report=seen.append, evaluate=measure)
    found = train(job)
    assert [progress.iteration for progress in seen] == list(range(1, jobs.ITERATIONS + 1))
    assert {progress.iterations for progress in seen} == {jobs.ITERATIONS}
    assert asked == [set(found)] * 5  # at 5, 10, 15, 20 and the end
    assert seen[4].metric == seen[8].metric != seen[9].metric
    assert seen[0].metric is None
    assert seen[12].learning_rate == pytest.approx(0.01 * 0.5)


def test_fixed_weights_stay(tmp_path: Path) -> None:
    job = changed(jobs.job(tmp_path), lr_mult={"conv/weight": 0.0})
    found = train(job)
    start = jobs.net(0).graph.initializers
    assert np.array_equal(found["conv/weight"], start["conv/weight"].const_value.numpy())
    assert not np.array_equal(found["ip/weight"], start["ip/weight"].const_value.numpy())


def test_unbound_initializers_are_constants() -> None:
    model = jobs.net(0)
    roles = roles_by_name(model)
    del roles["bn/scale"], roles["bn/shift"]
    variables = variables_of(model, network_of(model, roles).bindings)
    assert variables.parameters == ("conv/weight", "conv/bias", "ip/weight", "ip/bias")
    assert variables.statistics == ("bn/mean", "bn/variance")
    whole = variables_of(model, {})
    assert set(whole.names) == set(model.graph.initializers)
    assert whole.statistics == ("bn/mean", "bn/variance")


def test_dropout_drops_and_scales() -> None:
    node = helper.make_node("Identity", ["x"], ["y"])
    model = model_of([node], {"x": (4, 1000)}, ["y"], {})
    import torch

    torch.manual_seed(0)
    ones = torch.ones(4, 1000)
    found = Program(model, ["y"], dropout={"y": 0.25}).run({"x": ones}, {})["y"]
    assert sorted(found.unique().tolist()) == pytest.approx([0, 4 / 3])
    assert float((found == 0).float().mean()) == pytest.approx(0.25, abs=0.03)
    assert torch.equal(Program(model, ["y"]).run({"x": ones}, {})["y"], ones)


@pytest.mark.parametrize(
    ("recipe", "error", "message"),
    [
        (
            {"learning_rate": LearningRate(base=1e30), "solver": "SGD"},
            UsageError,
            "training diverged at iteration 2: the loss is nan; "
            "lower the learning rate (now 1e+30, --learning-rate)",
        ),
        (
            {"solver": "LBFGS"},
            UsageError,
            "solver 'LBFGS' is not known; "
            "use one of AdaDelta, AdaGrad, Adam, Nesterov, RMSProp, SGD, darknet",
        ),
        ({"regularization": "L3"}, UsageError, "regularization 'L3' is not known; use L1 or L2"),
    ],
)
def test_unusable_recipes(
    tmp_path: Path, recipe: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error) as caught:
        train(changed(jobs.job(tmp_path), **recipe))
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            ArrayDataset("x", np.zeros((5, 2, 7, 8), np.float32), np.zeros(5, np.int64)),
            "samples of shape [2, 7, 8] do not fit input 'x' of shape [2, 7, 7]",
        ),
        (
            ArrayDataset("image", np.zeros((5, 2, 7, 7), np.float32), np.zeros(5, np.int64)),
            "the samples hold no input 'x', only ['image']",
        ),
        (
            ArrayDataset("x", np.zeros((5, 2, 7, 7), np.float32)),
            "loss 'softmax_cross_entropy' needs labels and the samples have none; use --distill",
        ),
        (
            ArrayDataset("x", np.zeros((0, 2, 7, 7), np.float32)),
            "no training samples: the data set is empty",
        ),
    ],
)
def test_unusable_samples(tmp_path: Path, data: ArrayDataset, message: str) -> None:
    with pytest.raises(DataError) as caught:
        train(attrs.evolve(jobs.job(tmp_path), training=data))
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"speed": "9"},
            "trainer torch has no option 'speed'; it takes batchnorm, device, temperature, threads",
        ),
        ({"threads": "many"}, "trainer torch: option threads=many is not a number"),
        ({"batchnorm": "off"}, "trainer torch: option batchnorm=off: give recipe or frozen"),
        ({"threads": "0"}, "trainer torch: threads and temperature must be positive"),
    ],
)
def test_unusable_options(options: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        settings_from(options)
    assert str(caught.value) == message


def test_threads_where_the_system_knows_no_affinity(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    assert settings_from({}).threads == 3
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert settings_from({}).threads == 1


def test_the_command_line_offers_every_option() -> None:
    (trainer,) = (found for found in prunus_register() if isinstance(found, Trainer))
    assert set(trainer.options) == {field.name for field in attrs.fields(Settings)}


def test_missing_device(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"^trainer torch: device 'abacus' cannot be used"):
        train(attrs.evolve(jobs.job(tmp_path), options={"device": "abacus"}))


def test_missing_value() -> None:
    with pytest.raises(ModelError, match=r"^the graph has no value 'nothing'$"):
        Program(jobs.net(0), ["nothing"])


def test_plugin_imports_no_torch() -> None:
    code = "import sys, prunus_torch.plugin as p; p.prunus_register(); "
    code += "assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
