"""The sound files a campaign damages: one small network of every kind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np


def make_good(folder: Path) -> Path:
    """A low-level training graph with its checkpoint, a frozen one, Keras files, a SavedModel."""
    import keras
    import tensorflow as tf

    folder.mkdir()
    _graphs(tf, folder)
    model = _model(keras)
    model.save(folder / "net.keras")
    model.save(folder / "net.h5")
    model.export(folder / "saved", verbose=False)
    return folder


def _graphs(tf: Any, folder: Path) -> None:
    v1 = tf.compat.v1
    rng = np.random.default_rng(0)
    with tf.Graph().as_default() as graph, v1.Session() as session:

        def variable(name: str, *shape: int) -> Any:
            value = rng.normal(size=shape).astype("f4")
            return v1.get_variable(name, initializer=value, use_resource=False)

        x = v1.placeholder(tf.float32, [None, 8, 8, 3], name="x")
        y = tf.nn.conv2d(x, variable("k1", 3, 3, 3, 8), [1, 1, 1, 1], "SAME", name="conv1")
        y = tf.nn.relu(tf.nn.bias_add(y, variable("b1", 8)))
        scale, shift = variable("gamma", 8), variable("beta", 8)
        mean, variance = variable("mean", 8), tf.abs(variable("variance", 8)) + 0.5
        del variance
        fixed = tf.constant(np.ones(8, "f4"), name="variance_")
        y = tf.nn.batch_normalization(y, mean, fixed, shift, scale, 1e-3)
        z = tf.nn.depthwise_conv2d(y, variable("k2", 3, 3, 8, 1), [1, 1, 1, 1], "SAME")
        y = tf.nn.max_pool2d(tf.nn.relu6(z) + y, 2, 2, "VALID")
        y = tf.reshape(y, [-1, 4 * 4 * 8])
        y = tf.nn.relu(tf.matmul(y, variable("fc", 128, 10)), name="hidden")
        y = tf.matmul(y, variable("fc2", 10, 3), name="scores")
        session.run(v1.global_variables_initializer())
        v1.train.Saver().save(session, str(folder / "net"))
        v1.train.write_graph(graph, str(folder), "net.pbtxt", as_text=True)
        frozen = v1.graph_util.convert_variables_to_constants(
            session, graph.as_graph_def(), ["scores"]
        )
        (folder / "frozen.pb").write_bytes(frozen.SerializeToString())


def _model(keras: Any) -> Any:
    layers = keras.layers
    x = keras.Input((8, 8, 3), name="x")
    y = layers.Conv2D(8, 3, padding="same")(x)
    y = layers.ReLU(6.0)(layers.BatchNormalization()(y))
    y = layers.Add()([y, layers.DepthwiseConv2D(3, padding="same")(y)])
    y = layers.Flatten()(layers.MaxPooling2D()(y))
    y = layers.Dense(3)(layers.Dense(10, activation="relu")(y))
    return keras.Model(x, y)
