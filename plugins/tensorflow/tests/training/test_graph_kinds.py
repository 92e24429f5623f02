"""Frozen graphs and SavedModels are trained as well, and graphs with opaque parts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
from google.protobuf import text_format

from prunus.cli import run
from prunus.network import Source
from prunus.training import Progress
from prunus_tensorflow import train
from prunus_tensorflow.testing.graph_job import CLASSES, RECIPE, build, files, pruned

tf = pytest.importorskip("tensorflow", reason="TensorFlow is not installed")
tf1 = tf.compat.v1
pytestmark = pytest.mark.tensorflow


def test_saved_model_trains_too(tmp_path: Path) -> None:
    keras = pytest.importorskip("keras", reason="Keras is not installed")
    from prunus_tensorflow import saved_model

    layers = keras.layers
    inputs = keras.Input((8, 8, 3), name="x")
    x = layers.BatchNormalization()(layers.Conv2D(8, 3, activation="relu")(inputs))
    x = layers.Dense(CLASSES)(layers.GlobalAveragePooling2D()(layers.Conv2D(12, 3)(x)))
    keras.Model(inputs, x).export(tmp_path / "exported", verbose=False)
    network = saved_model.load(Source(tmp_path / "exported"))
    seen: list[Progress] = []
    one = attrs.evolve(pruned(tmp_path, network), report=seen.append)
    train.finetune(attrs.evolve(one, recipe=attrs.evolve(RECIPE, iterations=40)))
    assert seen[-1].loss < seen[0].loss


def test_frozen_graph_through_the_steps(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Files keep their suffix, so the next step knows their kind."""
    source = files(tmp_path, lambda: build(keep="none"), frozen=True)
    x = np.random.default_rng(0).normal(size=(64, 8, 8, 3)).astype("f4")
    np.savez(tmp_path / "x.npz", x=x)
    space = ("--workspace", tmp_path / "ws", "--json")
    data = ("--data", tmp_path / "x.npz", "--metric", "fidelity")

    def command(*arguments: object) -> dict[str, Any]:
        assert run([str(one) for one in arguments]) == 0
        found: dict[str, Any] = json.loads(capsys.readouterr().out)
        return found

    command("prune", "--model", source.model, "--rate", 0.4, *space, *data)
    tuned = command(
        "finetune", "--train-data", tmp_path / "x.npz", "--trainer", "tensorflow", "--distill",
        "--iterations", 60, *space, *data,
    )  # fmt: skip
    before, after = (stage["metric"]["value"] for stage in tuned["stages"][1:])
    assert after > before
    small = command("transform", "--output", tmp_path / "out", *space)
    (model,) = (Path(file) for file in small["files"])
    assert model.name == source.model.name  # not that of the finetuned file
    assert model.stat().st_size < source.model.stat().st_size


def with_an_opaque_part() -> None:
    """A convolution, a running sum over rows (an op prunus does not know), more layers."""

    def w(name: str, *shape: int) -> Any:
        return tf1.get_variable(name, shape)

    x = tf1.placeholder(tf.float32, [None, 8, 8, 3], name="x")
    h = tf.nn.relu(tf.nn.conv2d(x, w("a/w", 3, 3, 3, 8), 1, "SAME"))
    h = tf.nn.relu(tf.nn.conv2d(h, w("b/w", 3, 3, 8, 4), 1, "SAME"))
    h = tf.cumsum(h, 1, name="odd") / 8.0
    h = tf.nn.relu(tf.nn.conv2d(h, w("c/w", 3, 3, 4, 12), 2, "SAME"))
    scores = tf.matmul(tf.reduce_mean(h, [1, 2]), w("f/w", 12, CLASSES))
    tf.nn.softmax(scores, name="classes")


@pytest.mark.parametrize("way", ["labels", "distill"])
def test_an_opaque_part_is_computed_by_tensorflow(
    way: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = files(tmp_path, with_an_opaque_part)
    draw = np.random.default_rng(0)
    y = draw.integers(0, CLASSES, 64)
    x = draw.normal(size=(64, 8, 8, 3)) + (y[:, None, None, None] - 2)
    np.savez(tmp_path / "x.npz", x=x.astype("f4"), y=y)
    space = ("--workspace", tmp_path / "ws", "--json")
    native = ("--model", source.model, "--weights", source.weights)

    def command(*arguments: object) -> dict[str, Any]:
        assert run([str(one) for one in (*arguments, *space)]) == 0
        found: dict[str, Any] = json.loads(capsys.readouterr().out)
        return found

    behind = "no samples hold what opaque layers make, so nothing behind them can be measured"
    data = ("--data", tmp_path / "x.npz")
    assert run([str(one) for one in ("ana", *native, *data, *space)]) == 4
    assert capsys.readouterr().err.splitlines()[-1] == (
        f"error: {behind}: prune without 'ana' by --allocation uniform"
    )
    pruned = command("prune", *native, "--rate", 0.4, *data)
    assert pruned["unmeasured"] == behind
    assert any(note.startswith("no inputs that can be run and no") for note in pruned["notes"])
    assert pruned["stages"][0]["metric"] is None  # nobody knows what comes out of the opaque part
    training = ("--train-data", tmp_path / "x.npz", "--iterations", 3)
    assert run([str(one) for one in ("finetune", *training, *space)]) == 2
    assert capsys.readouterr().err.splitlines()[-1] == (
        "error: trainer torch cannot compute the opaque layers of this network, and no samples "
        "hold what they make; use --trainer tensorflow"
    )
    command(
        "finetune", "--trainer", "tensorflow", "--train-data", tmp_path / "x.npz",
        "--iterations", 120, "--learning-rate", 0.2, *(["--distill"] if way == "distill" else []),
    )  # fmt: skip
    command("transform")
    (small,) = (tmp_path / "ws" / "transformed").glob("*.pbtxt")

    def classes(model: Path, prefix: Path) -> np.ndarray:
        with tf.Graph().as_default(), tf1.Session() as session:
            message = text_format.Parse(model.read_text(), tf1.GraphDef())
            tf.graph_util.import_graph_def(message, name="")
            session.run("save/restore_all", {"save/Const:0": str(prefix)})
            return session.run("classes:0", {"x:0": x})

    found = classes(small, small.parent / "net")
    masked = tmp_path / "ws/rate_0.4/snapshots"
    wanted = classes(next(masked.glob("*.pbtxt")), masked / "net")
    assert np.abs(found - wanted).max() < 1e-5
    if way == "labels":
        assert (found.argmax(1) == y).mean() > 0.5
        return
    start = classes(next((tmp_path / "ws/rate_0.4").glob("*.pbtxt")), tmp_path / "ws/rate_0.4/net")
    whole = classes(source.model, tmp_path / "net")
    assert np.abs(found - whole).mean() < 0.6 * np.abs(start - whole).mean()
