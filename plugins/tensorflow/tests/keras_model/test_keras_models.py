"""Whole models: the neutral graph is what Keras computes, and so is what is written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from prunus.network import Source
from prunus.testing import cut
from prunus_tensorflow import keras_model
from prunus_tensorflow.keras_model.lower import lower_model
from prunus_tensorflow.keras_model.rebuild import leaves
from prunus_tensorflow.testing.compare import difference, feed_for, keras_outputs, neutral, written
from prunus_tensorflow.testing.networks import NETWORKS
from prunus_tensorflow.testing.random_weights import randomise

keras = pytest.importorskip("keras", reason="Keras is not installed")
pytestmark = pytest.mark.tensorflow

APPLICATIONS = {"MobileNetV2": (64, 1280), "EfficientNetB0": (64, 1280)}


def check(model: Any, directory: Path, suffix: str = ".keras") -> None:
    network = lower_model(model)
    feed = feed_for(network)
    assert difference(keras_outputs(model, network, feed), neutral(network, feed)) < 1e-4
    one = cut(network)
    assert one.grouping.groups
    masked = neutral(one.masked, feed)
    for stage in ("compact", "masked"):
        files = written(one, directory / stage, stage, f"model{suffix}")
        plain = keras.models.load_model(files.model)
        assert difference(keras_outputs(plain, network, feed), masked) < 1e-5
        assert [name for name, _ in leaves(plain)] == [name for name, _ in leaves(model)]
        if stage == "compact":
            assert plain.count_params() < 0.7 * model.count_params()
            again = keras_model.load(Source(files.model))
            assert difference(neutral(again, feed), masked) < 1e-5
        else:
            assert plain.count_params() == model.count_params()


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_written_model_equals_masked(name: str, suffix: str, tmp_path: Path) -> None:
    check(randomise(NETWORKS[name]()), tmp_path, suffix)


@pytest.mark.parametrize("name", sorted(APPLICATIONS))
def test_keras_applications(name: str, tmp_path: Path) -> None:
    build = getattr(keras.applications, name)
    model = build(weights=None, input_shape=(64, 64, 3), classes=10, classifier_activation=None)
    check(randomise(model), tmp_path)


def test_original_is_never_changed() -> None:
    model = randomise(NETWORKS["squeeze_excite"]())
    before = [w.copy() for w in model.get_weights()]
    one = cut(lower_model(model))
    from prunus_tensorflow.keras_model.rebuild import model_of

    model_of(one.masked, one.compact)
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))


def test_identity_write_keeps_weights(tmp_path: Path) -> None:
    model = randomise(NETWORKS["nested"]())
    path = tmp_path / "net.keras"
    model.save(path)
    network = keras_model.load(Source(path))
    from prunus.compaction.compact import identity
    from prunus.network import Destination

    out = tmp_path / "out"
    out.mkdir()
    for stage in ("masked", "compact"):
        files = keras_model.write(
            network, identity(network), Destination(out, stage, f"{stage}.keras")
        )
        plain = keras.models.load_model(files.model)
        assert plain.get_config() == keras.models.load_model(path).get_config()
        pairs = zip(plain.get_weights(), model.get_weights(), strict=True)
        assert all(np.array_equal(a, b) for a, b in pairs)


def test_native_names_and_dropout() -> None:
    network = lower_model(randomise(NETWORKS["nested"]()))
    assert "inner/block/conv" in network.layers
    assert network.bindings["inner/block/conv/weight"].index == "kernel"
    assert network.bindings["inner/head/sep/pointwise_weight"].role == "weight"
    gated = lower_model(randomise(NETWORKS["squeeze_excite"]()))
    assert gated.task.recipe is not None
    assert list(gated.task.recipe.dropout.values()) == [0.2]


def test_shared_layer_is_one_initializer() -> None:
    network = lower_model(randomise(NETWORKS["shared"]()))
    weight = network.model.graph.initializers["tower/deep/weight"]
    assert len(weight.uses()) == 2
    assert len(network.model.graph.initializers["conv/weight"].uses()) == 2
