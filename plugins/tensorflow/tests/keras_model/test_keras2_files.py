"""Files of Keras 2: what changes nothing is left out, what does is named, the result is Keras 3's.

The configurations are those of tf_keras 2.21; here they are put into files of Keras 3.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from prunus.errors import ModelError
from prunus.network import Destination, Source
from prunus.testing import cut
from prunus_tensorflow import keras_model
from prunus_tensorflow.keras_model.keras2 import modern
from prunus_tensorflow.testing.compare import difference, neutral
from prunus_tensorflow.testing.random_weights import randomise

keras = pytest.importorskip("keras", reason="Keras is not installed")
pytestmark = pytest.mark.tensorflow
L = keras.layers
Change = Callable[[dict[str, Any]], None]


def entries(config: Any) -> list[dict[str, Any]]:
    """Every serialised layer, wrapped and nested ones included."""
    found: list[dict[str, Any]] = []
    if isinstance(config, dict):
        if isinstance(config.get("config"), dict) and "class_name" in config:
            found.append(config)
        for value in config.values():
            found += entries(value)
    elif isinstance(config, list):
        for value in config:
            found += entries(value)
    return found


def kept(kind: str, **settings: Any) -> Change:
    """Settings put into every layer of a kind."""

    def change(config: dict[str, Any]) -> None:
        chosen = [one for one in entries(config) if one["class_name"] == kind]
        assert chosen
        for one in chosen:
            one["config"].update(settings)

    return change


def stored(model: Any, path: Path, change: Change) -> Path:
    """A model in a file whose configuration was changed."""
    model.save(path)
    if path.suffix == ".keras":
        with zipfile.ZipFile(path) as archive:
            parts = {name: archive.read(name) for name in archive.namelist()}
        config = json.loads(parts["config.json"])
        change(config)
        parts["config.json"] = json.dumps(config).encode()
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in parts.items():
                archive.writestr(name, content)
        return path
    with h5py.File(path, "r+") as file:
        config = json.loads(file.attrs["model_config"])
        change(config)
        file.attrs["model_config"] = json.dumps(config)
    return path


def images(*layers: Any) -> Any:
    return randomise(
        keras.Sequential(
            [keras.Input((12, 12, 3)), *layers, L.GlobalAveragePooling2D(), L.Dense(3)]
        )
    )


def depthwise() -> Any:
    return images(L.Conv2D(8, 3), L.DepthwiseConv2D(3), L.BatchNormalization(), L.ReLU(6.0))


def separable() -> Any:
    return images(L.SeparableConv2D(8, 3), L.Conv2D(6, 3), L.Conv2DTranspose(6, 3))


def recurrent() -> Any:
    body = [L.Bidirectional(L.LSTM(4, return_sequences=True)), L.GRU(4), L.Dense(6), L.Dense(3)]
    return randomise(keras.Sequential([keras.Input((10, 4)), *body]))


def dropped() -> Any:
    return images(L.Conv2D(8, 3), L.SpatialDropout2D(0.2), L.RandomFlip(seed=1))


def half() -> Any:
    return images(L.Conv2D(8, 3, dtype="mixed_float16"), L.Conv2D(8, 3))


def inside() -> Any:
    inner = keras.Sequential([keras.Input((12, 12, 3)), L.Conv2D(8, 3)], name="inner")
    x = keras.Input((12, 12, 3))
    y = L.GlobalAveragePooling2D()(inner(x))
    return randomise(keras.Model(x, L.Dense(3)(y)))


def as_keras2_counts(config: dict[str, Any]) -> None:
    for one in entries(config):
        if one["class_name"] == "GlobalAveragePooling2D":
            one["inbound_nodes"] = [[["inner", 1, 0, {}]]]


POLICY = {"class_name": "Policy", "config": {"name": "mixed_float16"}}
SHAPE = [None, 12, 12, 3]
HARMLESS = {
    "depthwise": (depthwise, kept("DepthwiseConv2D", groups=1)),
    "separable": (separable, kept("SeparableConv2D", groups=1, kernel_initializer=None)),
    "transposed": (separable, kept("Conv2DTranspose", groups=1)),
    "lstm": (recurrent, kept("LSTM", time_major=False, implementation=2)),
    "lstm-shape": (recurrent, kept("LSTM", batch_input_shape=[None, 10, 4], time_major=False)),
    "gru": (recurrent, kept("GRU", time_major=False, implementation=1)),
    "dropout": (dropped, kept("SpatialDropout2D", trainable=True, noise_shape=None)),
    "shape": (dropped, kept("SpatialDropout2D", batch_input_shape=SHAPE)),
    "random": (dropped, kept("RandomFlip", rng_type="stateful")),
    "policy": (half, kept("Conv2D", dtype=POLICY, unknown=None)),
    "calls": (inside, as_keras2_counts),
    "conv-shape": (inside, kept("Conv2D", batch_input_shape=SHAPE)),
}


def loaded_by_keras(path: Path) -> Any:
    return keras.saving.load_model(path, compile=False)


@pytest.mark.parametrize("name", sorted(HARMLESS))
def test_settings_that_change_nothing(name: str, tmp_path: Path) -> None:
    make, change = HARMLESS[name]
    model = make()
    path = stored(model, tmp_path / "net.h5", change)
    if name not in ("lstm-shape", "shape", "conv-shape", "policy"):  # some Keras takes by itself
        with pytest.raises((TypeError, ValueError)):
            loaded_by_keras(path)
    network = keras_model.load(Source(path))
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, *model.inputs[0].shape[1:])).astype("f4")
    limit = 5e-3 if name == "policy" else 1e-5  # half precision
    assert np.abs(network.origin.model(x) - model(x)).max() < limit  # type: ignore[attr-defined]
    one = cut(network)
    out = tmp_path / "out"
    out.mkdir()
    written = keras_model.write(one.masked, one.compact, Destination(out, "compact"))
    small = loaded_by_keras(written.model)
    (entry, *behind) = network.model.graph.inputs
    if entry.name in network.origin.inputs and not behind:  # type: ignore[attr-defined]
        found = neutral(one.masked, {entry.name or "": x})
        assert difference([np.asarray(small(x))], found) < limit


def test_a_keras_file_too(tmp_path: Path) -> None:
    path = stored(depthwise(), tmp_path / "net.keras", kept("DepthwiseConv2D", groups=1))
    network = keras_model.load(Source(path))
    assert network.notes == (
        "settings of Keras 2 that change nothing were left out; what is written loads in Keras 3",
    )


def test_what_changes_the_layer_is_named(tmp_path: Path) -> None:
    path = stored(recurrent(), tmp_path / "net.h5", kept("GRU", name="gru", time_major=True))
    with pytest.raises(ModelError) as caught:
        keras_model.load(Source(path))
    assert str(caught.value) == (
        f"{path}: layer 'gru' of type 'GRU': Keras 3 has no 'time_major', which is True here and "
        "changes what the layer computes: build the model again without it"
    )


def test_the_cause_is_not_cut(tmp_path: Path) -> None:
    path = stored(depthwise(), tmp_path / "net.h5", kept("Conv2D", filters="many"))
    with pytest.raises(ModelError) as caught:
        keras_model.load(Source(path))
    text = str(caught.value).removeprefix(f"{path}: ")
    assert text.startswith("layer 'conv2d")
    assert "of type 'Conv2D': " in text
    assert "config" not in text
    assert len(text) <= 200


def test_functions_of_keras_2(tmp_path: Path) -> None:
    def change(config: dict[str, Any]) -> None:
        next(one for one in entries(config) if one["class_name"] == "ReLU")["class_name"] = (
            "TFOpLambda"
        )

    path = stored(depthwise(), tmp_path / "net.h5", change)
    with pytest.raises(ModelError) as caught:
        keras_model.load(Source(path))
    assert str(caught.value) == (
        f"{path}: holds a TensorFlow function as a layer ('TFOpLambda' of Keras 2), which Keras 3 "
        "cannot read: save the model as a SavedModel with Keras 2"
    )


def test_an_old_name_a_class_still_takes_is_kept() -> None:
    entry = {"class_name": "LeakyReLU", "config": {"name": "a", "alpha": 0.2}}
    assert modern(entry, {})["config"] == {"name": "a", "alpha": 0.2}


def test_the_oldest_sequential_models() -> None:
    dense = {"class_name": "Dense", "config": {"units": 3, "batch_input_shape": [None, 4]}}
    found = modern({"class_name": "Sequential", "config": [dense]}, {})
    assert [one["class_name"] for one in found["config"]["layers"]] == ["InputLayer", "Dense"]
    assert found["config"]["layers"][0]["config"]["batch_input_shape"] == [None, 4]


def test_hard_sigmoid_of_keras_2_is_said(tmp_path: Path) -> None:
    path = stored(
        recurrent(), tmp_path / "net.h5", kept("LSTM", recurrent_activation="hard_sigmoid")
    )
    assert not [note for note in keras_model.load(Source(path)).notes if "hard_sigmoid" in note]
    with h5py.File(path, "r+") as file:
        file.attrs["keras_version"] = "2.15.0"
    (note,) = [note for note in keras_model.load(Source(path)).notes if "hard_sigmoid" in note]
    assert note.endswith("its results differ from those of Keras 2")


@pytest.mark.parametrize("suffix", [".h5", ".keras"])
def test_more_units_than_any_machine_holds(suffix: str, tmp_path: Path) -> None:
    path = stored(depthwise(), tmp_path / f"net{suffix}", kept("Dense", units=2_000_000_000_000))
    with pytest.raises(ModelError) as caught:
        keras_model.load(Source(path))
    assert str(caught.value).startswith(f"{path}: its layers: declares 72 TB, more than half of")
