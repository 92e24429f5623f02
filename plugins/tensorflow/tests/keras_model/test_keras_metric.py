"""Compiled models of one number an output are measured by it, not as classes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from prunus.cli import run
from prunus.errors import DataError
from prunus_tensorflow.keras_model.metric import AbsoluteError, BinaryAccuracy
from prunus_tensorflow.testing.random_weights import randomise

keras = pytest.importorskip("keras", reason="Keras is not installed")
L = keras.layers
pytestmark = pytest.mark.tensorflow


def model(loss: str, activation: str | None) -> Any:
    inputs = keras.Input((6, 6, 2), name="image")
    x = L.Conv2D(8, 3, activation="relu")(inputs)
    x = L.GlobalAveragePooling2D()(L.Conv2D(8, 3, activation="relu")(x))
    made = randomise(keras.Model(inputs, L.Dense(1, activation=activation)(x)))
    made.compile("sgd", loss)
    return made


@pytest.mark.parametrize(
    ("loss", "activation", "name"),
    [
        ("binary_crossentropy", "sigmoid", "accuracy"),
        ("hinge", None, "accuracy"),
        ("mse", None, "absolute error"),
    ],
)
def test_steps_with_labels(
    loss: str,
    activation: str | None,
    name: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    one = model(loss, activation)
    one.save(tmp_path / "net.keras")
    draw = np.random.default_rng(0)
    x, y = draw.normal(size=(64, 6, 6, 2)).astype("f4"), draw.integers(0, 2, 64)
    np.savez(tmp_path / "d.npz", x=x, y=y)
    scores = np.asarray(one(x))[:, 0]
    side = 0.5 if activation else 0.0
    wanted = np.abs(scores - y).mean() if loss == "mse" else ((scores > side) == y).mean()
    data = ("--workspace", tmp_path / "ws", "--data", tmp_path / "d.npz", "--json")
    start = ("--model", tmp_path / "net.keras", *data)
    tuning = ("--trainer", "tensorflow", "--train-data", tmp_path / "d.npz", "--iterations", 3)
    for step in (
        ("ana", *start),
        ("prune", *start, "--rate", 0.3, "--multiple", 1),
        ("finetune", *data, *tuning),
    ):
        assert run([str(part) for part in step]) == 0
        found = json.loads(capsys.readouterr().out)
        if step[0] == "prune":
            assert found["metric"] == name
            assert found["stages"][0]["metric"]["value"] == pytest.approx(wanted, abs=1e-5)


def test_labels_that_do_not_fit() -> None:
    outputs = {"y": np.zeros((4, 2), np.float32)}
    for metric in (BinaryAccuracy("y", 0.5), AbsoluteError("y")):
        with pytest.raises(DataError) as caught:
            metric.observe(outputs, outputs, np.zeros(4))
        assert str(caught.value) == (
            "labels of 1 numbers a sample do not fit the model's 2; use --metric fidelity"
        )


def test_answers_of_the_original_are_the_truth_without_labels() -> None:
    outputs = {"y": np.array([[0.2], [0.7], [0.5]], np.float32)}
    metric = BinaryAccuracy("y", 0.5)
    assert metric.truth(outputs).tolist() == [[False], [True], [False]]
    assert metric.observe(outputs, {}, metric.truth(outputs)).tolist() == [1, 1, 1]
