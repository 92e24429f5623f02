"""Unknown ops between named inputs and the first layer are computed by TensorFlow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest

from prunus.evaluation.session import Session
from prunus_tensorflow import graphdef
from prunus_tensorflow.data import open_data

pytestmark = pytest.mark.tensorflow


def build(tf: Any, tf1: Any) -> None:
    def w(name: str, *shape: int) -> Any:
        return tf1.get_variable(name, shape)

    x = tf1.placeholder(tf.float32, [None, 8, 8, 3], name="x")
    h = tf.cumsum(x * 0.5, 1, name="odd")
    h = tf.nn.relu(tf.nn.conv2d(h, w("a/w", 3, 3, 3, 8), 1, "SAME"))
    h = tf.nn.relu(tf.nn.conv2d(h, w("b/w", 3, 3, 8, 6), 1, "SAME"))
    tf.matmul(tf.reduce_mean(h, [1, 2]), w("f/w", 6, 4), name="scores")


def test_samples_of_the_named_input_are_enough(tools: Any, tmp_path: Path) -> None:
    source = attrs.evolve(tools.make(build), options={"input_nodes": "x"})
    network = graphdef.load(source)
    assert [value.name for value in network.model.graph.outputs] == ["scores"]
    x = np.random.default_rng(0).normal(size=(5, 8, 8, 3)).astype("f4")
    np.savez(tmp_path / "d.npz", x=x, y=np.arange(5) % 4)
    samples = open_data(str(tmp_path / "d.npz"), network, False)
    assert samples is not None
    batch = samples.read(np.array([3, 1]), None)
    assert batch.labels.tolist() == [3, 1]
    (wanted,) = tools.run(source.model, source.weights, ("scores",), {"x": x[[3, 1]]})
    found = Session(network.model).run(batch.inputs)["scores"]
    assert np.abs(found - wanted).max() < 1e-4 * np.abs(wanted).max()
