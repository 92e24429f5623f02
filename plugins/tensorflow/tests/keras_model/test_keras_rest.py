"""Operators without a finite answer for a removed channel, judged by Keras."""

from __future__ import annotations

import numpy as np
import pytest

from prunus.grouping import find_groups
from prunus.testing import cut
from prunus_tensorflow.keras_model.lower import lower_model
from prunus_tensorflow.keras_model.rebuild import model_of
from prunus_tensorflow.testing.compare import difference, feed_for, keras_outputs

keras = pytest.importorskip("keras", reason="Keras is not installed")
L, ops = keras.layers, keras.ops
pytestmark = pytest.mark.tensorflow

KEPT = {
    "logarithm": lambda x: ops.log(ops.absolute(x)),
    "inverse": lambda x: ops.divide(1.0, x),
    "itself": lambda x: ops.divide(x, x),
}
REMOVED = {
    "shifted_logarithm": lambda x: ops.log(ops.add(ops.absolute(x), 1.0)),
    "shifted_inverse": lambda x: ops.divide(1.0, ops.add(ops.absolute(x), 1.0)),
    "batch_norm_without_scale": lambda x: L.BatchNormalization(scale=False)(x),
}


@pytest.mark.parametrize("name", [*KEPT, *REMOVED])
def test_masked_models_are_finite_and_equal_in_keras(name):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((8, 8, 3))
    x = L.Conv2D(12, 3, name="c1", bias_initializer="random_normal")(inputs)
    x = (KEPT | REMOVED)[name](x)
    x = L.Conv2D(8, 3, activation="relu", name="c2")(x)
    network = lower_model(keras.Model(inputs, L.Conv2D(4, 3, name="y")(x)))
    names = [group.name for group in find_groups(network).groups]
    assert names == (["c2"] if name in KEPT else ["c1", "c2"])
    one = cut(network)
    feed = feed_for(network)
    masked = keras_outputs(model_of(one.masked, None), network, feed)
    small = keras_outputs(model_of(one.masked, one.compact), network, feed)
    assert all(np.isfinite(array).all() for array in masked)
    assert difference(small, masked) <= 1e-5
