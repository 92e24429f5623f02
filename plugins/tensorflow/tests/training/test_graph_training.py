"""The trainer on graphs without Keras: TensorFlow itself, resumable, with labels or without."""

from __future__ import annotations

import math
import signal
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest

from prunus.errors import UsageError
from prunus.network import Source
from prunus.testing.checks_trainer import trainer_checks
from prunus.training import Progress
from prunus_tensorflow import graphdef, train
from prunus_tensorflow.testing.graph_job import RECIPE, build, files, job, masked_with, outputs

tf = pytest.importorskip("tensorflow", reason="TensorFlow is not installed")
pytestmark = pytest.mark.tensorflow

CHECKS = trainer_checks("tensorflow", job)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
def test_conformance(check: Any) -> None:
    check()


@pytest.mark.parametrize("kind", ["ref", "resource", "frozen"])
def test_learns_from_labels(kind: str, tmp_path: Path) -> None:
    source = files(tmp_path, lambda: build(kind == "resource"), kind == "frozen")
    seen: list[Progress] = []
    recipe = attrs.evolve(RECIPE, iterations=100, batch_size=32)
    one = job(tmp_path, source, report=seen.append, recipe=recipe)
    weights = train.finetune(one)
    assert seen[-1].loss < 0.7 * seen[0].loss
    labels = one.training.read(np.arange(64), None).labels
    assert (outputs(masked_with(one, weights), one).argmax(1) == labels).mean() > 0.7
    for name, binding in one.network.bindings.items():
        if binding.role in ("mean", "variance") and name in weights:
            before = one.compact.model.graph.initializers[name].const_value.numpy()
            assert (weights[name] == before).all()


def test_distillation_approaches_the_original(tmp_path: Path) -> None:
    one = job(tmp_path)
    teacher = graphdef.load(Source(tmp_path / "native/net.pbtxt", tmp_path / "native/net"))
    recipe = attrs.evolve(RECIPE, iterations=60)
    data = attrs.evolve(one.training, labels=None)
    one = attrs.evolve(one, teacher=teacher, training=data, recipe=recipe)
    weights = train.finetune(one)
    wanted = outputs(teacher, one)
    before = np.abs(outputs(one.network, one) - wanted).mean()
    after = np.abs(outputs(masked_with(one, weights), one) - wanted).mean()
    assert after < 0.6 * before


def test_rate_falls_along_a_cosine_and_resumes(tmp_path: Path) -> None:
    seen: list[Progress] = []
    options = {"decay": "cosine"}
    whole = train.finetune(job(tmp_path, options=options, report=seen.append))
    rates = [0.005 * (1 + math.cos(math.pi * done / 12)) for done in range(12)]
    assert [p.learning_rate for p in seen] == pytest.approx(rates, rel=1e-5)
    for path in sorted(tmp_path.glob("tensorflow_*.npz"))[1:]:
        path.unlink()
    resumed = train.finetune(job(tmp_path, options=options, resume=True))
    for name, array in whole.items():
        assert np.allclose(array, resumed[name], rtol=1e-5, atol=1e-7)
    with pytest.raises(UsageError, match="^--decay linear: only 'cosine' is known; without it"):
        train.finetune(job(tmp_path, options={"decay": "linear"}))


def test_ctrl_c_saves_and_resumes(tmp_path: Path) -> None:
    whole = train.finetune(job(tmp_path))

    def press(progress: Progress) -> None:
        if progress.iteration == 5:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt, match="^stopped after 5 iterations; --resume continues$"):
        train.finetune(job(tmp_path, report=press))
    resumed = train.finetune(job(tmp_path, resume=True))
    for name, array in whole.items():
        assert np.allclose(array, resumed[name], rtol=1e-5, atol=1e-7)
