"""The engine TFLite, on Keras models of one and of several inputs and outputs."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

import prunus
from prunus.testing import engine_checks

pytest.importorskip("tensorflow", reason="TensorFlow is not installed")
pytestmark = pytest.mark.tensorflow


def networks():
    import keras
    from keras import layers

    image, other = keras.Input((12, 12, 3), name="image"), keras.Input((8,), name="other")
    x = layers.Conv2D(8, 3, padding="same", activation="relu")(image)
    x = layers.DepthwiseConv2D(3, use_bias=False)(x)
    x = layers.BatchNormalization()(x)
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(12, 1)(x))
    one = keras.Model(image, layers.Dense(5, activation="softmax")(x))
    y = layers.Dense(6)(layers.Concatenate()([x, other]))
    two = keras.Model([image, other], [layers.Dense(3, name="first")(y), y])
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, model in {"one": one, "two": two}.items():
            path = Path(folder) / f"{name}.keras"
            model.save(path)
            found[name] = prunus.load(path)
            found[name].weights()
    return found


CHECKS = engine_checks("tflite", networks=networks())


@pytest.mark.parametrize("check", CHECKS, ids=str)
def test_conformance(check):
    check()
