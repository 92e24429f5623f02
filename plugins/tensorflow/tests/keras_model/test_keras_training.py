"""The trainer: Keras' fit on the compact network, resumable, with labels or without."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest

from prunus.errors import DataError, StaleError, UsageError
from prunus.evaluation.data import ArrayDataset
from prunus.network import Network
from prunus.task import LearningRate, Recipe
from prunus.testing import cut
from prunus.testing.checks_trainer import trainer_checks
from prunus.training import Progress, TrainingJob
from prunus.training.scatter import scatter
from prunus_tensorflow import train
from prunus_tensorflow.keras_model.lower import lower_model
from prunus_tensorflow.testing.compare import neutral
from prunus_tensorflow.testing.random_weights import randomise

keras = pytest.importorskip("keras", reason="Keras is not installed")
L = keras.layers
pytestmark = pytest.mark.tensorflow

RECIPE = Recipe(learning_rate=LearningRate(base=0.01), iterations=12, batch_size=16, snapshot=4)


def classifier(loss: str | None = None, softmax: bool = True, **settings: Any) -> Any:
    inputs = keras.Input((16, 16, 3), name="data")
    x = L.Conv2D(16, 3, strides=2, name="one")(inputs)
    x = L.BatchNormalization(momentum=0.9, name="bn")(x)
    x = L.Dropout(0.1, name="drop")(L.SeparableConv2D(16, 3, activation="relu", name="two")(x))
    x = L.Dense(5, activation="softmax" if softmax else None, name="out")(L.Flatten(name="flat")(x))
    model = keras.Model(inputs, x, name="classifier")
    if loss is not None:
        model.compile(settings.pop("optimizer", keras.optimizers.Adam(0.01)), loss, **settings)
    return randomise(model)


def job(workspace: Path, model: Any = None, **changes: Any) -> TrainingJob:
    """A halved network and 64 samples whose class shifts the mean."""
    network = lower_model(classifier() if model is None else model)
    one = cut(network)
    draw = np.random.default_rng(0)
    labels = draw.integers(0, 5, 64)
    inputs = draw.standard_normal((64, 16, 16, 3)) + 2 * (labels[:, None, None, None] - 2)
    data = ArrayDataset("data", inputs.astype("f4"), labels)
    made = TrainingJob(
        one.masked, one.compact, RECIPE, data, None, None, workspace, False, 0, lambda _: None
    )
    return attrs.evolve(made, **changes)


CHECKS = trainer_checks("tensorflow", job)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
def test_conformance(check: Any) -> None:
    check()


LOSSES = {
    "sparse_categorical_crossentropy": {},
    "categorical_crossentropy": {"metrics": ["accuracy"]},
    "mean_squared_error": {"optimizer": "rmsprop"},
}


@pytest.mark.parametrize("loss", sorted(LOSSES))
def test_learns_with_compiled_loss(loss: str, tmp_path: Path) -> None:
    seen: list[Progress] = []
    model = classifier(loss, **dict(LOSSES[loss]))
    one = job(tmp_path, model, report=seen.append)
    recipe = one.network.task.recipe
    assert recipe is not None
    one = attrs.evolve(one, recipe=attrs.evolve(recipe, iterations=40, batch_size=32))
    weights = train.finetune(one)
    assert seen[-1].loss < 0.7 * seen[0].loss
    full = one.network.with_weights(scatter(one.network, one.compact, weights))
    assert set(weights) == set(one.network.bindings)
    assert accuracy(full, one.training) > 0.7


def accuracy(network: Network, data: Any) -> float:
    batch = data.read(np.arange(len(data)), None)
    return float((neutral(network, batch.inputs)[0].argmax(1) == batch.labels).mean())


def test_compiled_optimizer_and_schedule_are_kept(tmp_path: Path) -> None:
    schedule = keras.optimizers.schedules.ExponentialDecay(0.1, 1, 0.5)
    model = classifier("sparse_categorical_crossentropy", optimizer=keras.optimizers.SGD(schedule))
    seen: list[Progress] = []
    one = job(tmp_path, model, report=seen.append)
    recipe = one.network.task.recipe
    assert recipe is not None
    assert recipe.learning_rate.base == pytest.approx(0.1)
    train.finetune(attrs.evolve(one, recipe=attrs.evolve(recipe, iterations=3)))
    assert [p.learning_rate for p in seen] == pytest.approx([0.05, 0.025, 0.0125])
    seen.clear()
    own = attrs.evolve(recipe, iterations=2, learning_rate=LearningRate(base=0.003))
    train.finetune(attrs.evolve(one, recipe=own))
    assert [p.learning_rate for p in seen] == pytest.approx([0.003, 0.003])
    seen.clear()
    train.finetune(attrs.evolve(one, recipe=own, options={"decay": "cosine"}))
    assert [p.learning_rate for p in seen] == pytest.approx([0.0015, 0.0])


@pytest.mark.parametrize("softmax", [True, False])
def test_distillation_approaches_the_teacher(softmax: bool, tmp_path: Path) -> None:
    one = job(tmp_path, classifier(softmax=softmax))
    teacher = attrs.evolve(one.network, model=lower_model(one.network.origin.model).model)
    data = attrs.evolve(one.training, labels=None)
    recipe = attrs.evolve(RECIPE, iterations=60, solver="Adam", weight_decay=0.0)
    one = attrs.evolve(one, teacher=teacher, training=data, recipe=recipe)
    batch = data.read(np.arange(64), None)
    wanted = neutral(teacher, batch.inputs)
    weights = train.finetune(one)
    full = one.network.with_weights(scatter(one.network, one.compact, weights))
    before, after = (
        np.abs(neutral(network, batch.inputs)[0] - wanted[0]).mean()
        for network in (one.network, full)
    )
    assert after < 0.6 * before


def test_refusals_name_what_to_do(tmp_path: Path) -> None:
    one = job(tmp_path)
    low = attrs.evolve(one.training, labels=np.full(64, 7))
    with pytest.raises(DataError, match=r"^a training label is 7, and the model has classes 0 to"):
        train.finetune(attrs.evolve(one, training=low))
    with pytest.raises(UsageError, match="^--train-fn trains low-level graphs; a Keras model"):
        train.finetune(attrs.evolve(one, options={"train-fn": "own.py:train"}))
    fast = attrs.evolve(one.recipe, learning_rate=LearningRate(base=1e30))
    model = classifier("mean_squared_error", softmax=False, optimizer="sgd")
    with pytest.raises(UsageError, match="training diverged at iteration"):
        train.finetune(attrs.evolve(job(tmp_path, model), recipe=fast))


def test_snapshot_of_another_job_is_refused(tmp_path: Path) -> None:
    train.finetune(job(tmp_path))
    with pytest.raises(StaleError, match="belongs to another seed; train without"):
        train.finetune(job(tmp_path, resume=True, seed=1))
    for path in tmp_path.glob("tensorflow_*.npz"):
        path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(StaleError, match="damaged snapshot"):
        train.finetune(job(tmp_path, resume=True))


def test_loss_is_finite_and_rates_are_said(tmp_path: Path) -> None:
    seen: list[Progress] = []
    train.finetune(job(tmp_path, report=seen.append))
    assert [p.iteration for p in seen] == list(range(1, 13))
    assert all(math.isfinite(p.loss) for p in seen)
