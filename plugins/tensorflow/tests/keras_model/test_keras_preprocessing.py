"""Opaque layers: those before all weights are computed, all are left as they are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest

from prunus.cli import run
from prunus.evaluation.data import ArrayDataset
from prunus.network import Source
from prunus.task import LearningRate, Recipe
from prunus.testing import cut
from prunus.training import TrainingJob
from prunus_tensorflow import keras_model, train
from prunus_tensorflow.data import open_data
from prunus_tensorflow.keras_model.lower import lower_model
from prunus_tensorflow.preprocessing import network_inputs
from prunus_tensorflow.testing.compare import difference, neutral
from prunus_tensorflow.testing.random_weights import randomise

keras = pytest.importorskip("keras", reason="Keras is not installed")
L = keras.layers
pytestmark = pytest.mark.tensorflow


class Doubled(keras.layers.Layer):
    """A custom layer with a weight of its own."""

    def build(self, shape: Any) -> None:
        self.factor = self.add_weight(shape=(shape[-1],), name="factor", initializer="ones")

    def call(self, x: Any) -> Any:
        return 2 * x * self.factor


def tail(x: Any) -> Any:
    x = L.Conv2D(12, 3, activation="relu")(x)
    return L.Dense(4)(L.GlobalAveragePooling2D()(L.Conv2D(12, 3)(x)))


def custom() -> Any:
    inputs = keras.Input((8, 8, 3), name="image")
    return keras.Model(inputs, tail(Doubled()(L.Rescaling(0.1)(inputs))))


def nested() -> Any:
    """Preprocessing in a model of its own, as the Keras guides write it; one part is random."""
    before = keras.Sequential(
        [keras.Input((8, 8, 3)), L.RandomFlip(), L.Rescaling(0.1, offset=-1), Doubled()]
    )
    inputs = keras.Input((8, 8, 3), name="image")
    return keras.Model(inputs, tail(before(inputs)))


def words() -> Any:
    inputs = keras.Input((9,), dtype="int32", name="words")
    x = L.Conv1D(12, 3, activation="relu")(L.Embedding(20, 6)(inputs))
    return keras.Model(inputs, L.Dense(4)(L.GlobalMaxPooling1D()(L.Conv1D(12, 3)(x))))


MODELS = {"custom": custom, "nested": nested, "words": words}


@pytest.mark.parametrize("name", MODELS)
def test_what_is_in_front_is_computed(name: str, tmp_path: Path) -> None:
    model = randomise(MODELS[name]())
    network = lower_model(model)
    ((own, shape),) = network_inputs(network).shapes.items()
    x = np.random.default_rng(0).integers(0, 20, (5, *shape))
    np.savez(tmp_path / "d.npz", x=x, y=[0, 1, 2, 3, 0])
    (tmp_path / "own.py").write_text(
        f"import numpy as np\ndef data():\n    z = np.load({str(tmp_path / 'd.npz')!r})\n"
        "    return z['x'], z['y']\n"
    )
    wanted = np.asarray(model(x, training=False))
    for data in (str(tmp_path / "d.npz"), f"{tmp_path}/own.py:data"):
        samples = open_data(data, network, False)
        assert samples is not None
        batch = samples.read(np.array([4, 1]), None)
        assert batch.labels.tolist() == [0, 1]
        assert np.array_equal(batch.inputs[own], x[[4, 1]])
        (found,) = neutral(network, batch.inputs)  # what the layers read is no output
        assert difference([found], [wanted[[4, 1]]]) < 1e-5


def test_all_steps_in_front_of_which_stands_a_custom_layer(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "own.py").write_text(
        "import keras\nclass Doubled(keras.layers.Layer):\n    def call(self, x): return 2 * x\n"
    )
    inputs = keras.Input((8, 8, 3), name="image")
    own = type("Doubled", (keras.layers.Layer,), {"call": lambda self, x: 2 * x})
    path = tmp_path / "net.keras"
    randomise(keras.Model(inputs, tail(own()(inputs)))).save(path)
    draw = np.random.default_rng(0)
    x, y = draw.normal(size=(32, 8, 8, 3)), draw.integers(0, 4, 32)
    np.savez(tmp_path / "d.npz", x=x, y=y)
    network = keras_model.load(Source(path, options={"custom_objects": f"{tmp_path}/own.py"}))
    accuracy = (np.asarray(network.origin.model(x)).argmax(1) == y).mean()
    data = ("--data", tmp_path / "d.npz")
    training = ("--train-data", tmp_path / "d.npz", "--trainer", "tensorflow", "--iterations", 3)
    # the workspace remembers the option, but a file alone does not make Python run
    code = ("--option", f"custom_objects={tmp_path}/own.py")
    start = ("--model", path, *code)
    for step in (("ana", *start, *data), ("prune", *start, *data, "--rate", 0.4),
                 ("finetune", *code, *data, *training),
                 ("transform", "--allow-code", *data)):  # fmt: skip
        assert run([str(one) for one in (*step, "--workspace", tmp_path / "ws", "--json")]) == 0
        found = json.loads(capsys.readouterr().out)
        if step[0] == "prune":
            assert found["stages"][0]["metric"]["value"] == pytest.approx(accuracy)


def job(model: Any, workspace: Path, **recipe: Any) -> TrainingJob:
    network = lower_model(model)
    one = cut(network)
    draw = np.random.default_rng(0)
    labels = draw.integers(0, 4, 64)
    x = draw.standard_normal((64, 8, 8, 3)) + labels[:, None, None, None]
    return TrainingJob(
        one.masked,
        one.compact,
        Recipe(learning_rate=LearningRate(base=0.02), iterations=20, batch_size=16, **recipe),
        ArrayDataset("image", x.astype("f4"), labels),
        None,
        None,
        workspace,
        False,
        0,
        lambda _: None,
    )


def test_opaque_layers_are_not_trained(tmp_path: Path) -> None:
    """Their weights are not the neutral graph's, so nobody could write them back."""
    inputs = keras.Input((8, 8, 3), name="image")
    model = randomise(keras.Model(inputs, tail(Doubled()(L.Conv2D(6, 3)(inputs)))))
    one = job(model, tmp_path)
    seen = []
    one = attrs.evolve(one, report=lambda progress: seen.append(progress.loss))
    weights = train.finetune(one)
    assert seen[-1] < seen[0]
    assert not any("factor" in binding.index for binding in one.network.bindings.values())
    before = {n: v.const_value.numpy() for n, v in one.compact.model.graph.initializers.items()}
    assert all(np.abs(weights[name] - before[name]).max() > 0 for name in weights)


@pytest.mark.parametrize("way", ["recipe", "option"])
def test_statistics_are_held(way: str, tmp_path: Path) -> None:
    inputs = keras.Input((8, 8, 3), name="image")
    model = randomise(
        keras.Model(inputs, tail(L.BatchNormalization(name="bn")(L.Conv2D(8, 3)(inputs))))
    )
    one = job(model, tmp_path, bn_frozen=way == "recipe")
    if way == "option":
        one = attrs.evolve(one, options={"batchnorm": "frozen"})
    weights = train.finetune(one)
    before = {n: v.const_value.numpy() for n, v in one.compact.model.graph.initializers.items()}
    for name, binding in one.network.bindings.items():
        held = binding.role in ("mean", "variance")
        assert np.array_equal(weights[name], before[name]) == held, name
    moving = train.finetune(job(model, tmp_path))
    assert not np.array_equal(moving["bn/mean"], before["bn/mean"])
