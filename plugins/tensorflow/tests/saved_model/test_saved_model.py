"""SavedModels keep their signatures and variables; the result converts to TFLite."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from prunus.errors import ModelError, UsageError
from prunus.network import Destination, Source
from prunus.testing import cut
from prunus_tensorflow import saved_model
from prunus_tensorflow.keras_model.lower import lower_model
from prunus_tensorflow.keras_model.rebuild import model_of
from prunus_tensorflow.testing.compare import difference, feed_for, neutral
from prunus_tensorflow.testing.networks import NETWORKS
from prunus_tensorflow.testing.random_weights import randomise

tf = pytest.importorskip("tensorflow", reason="TensorFlow is not installed")
pytestmark = pytest.mark.tensorflow


def exported(directory: Path, name: str) -> Path:
    path = directory / f"{name}_saved"
    randomise(NETWORKS[name]()).export(path, verbose=False)
    return path


def serve(path: Path, feed: dict[str, Any]) -> dict[str, Any]:
    loaded = tf.saved_model.load(str(path))
    tensors = {name: tf.constant(array) for name, array in feed.items()}
    found = loaded.signatures["serving_default"](**tensors)
    return {key: found[key].numpy() for key in sorted(found)}


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_signatures_and_numbers(name: str, tmp_path: Path) -> None:
    path = exported(tmp_path, name)
    network = saved_model.load(Source(path))
    feed = feed_for(network)
    before = list(serve(path, feed).values())
    assert difference(neutral(network, feed), before) < 1e-4
    one = cut(network)
    assert one.grouping.groups
    out = tmp_path / "out"
    out.mkdir()
    written = saved_model.write(one.masked, one.compact, Destination(out, "compact"))
    assert written.model.name == path.name
    masked = neutral(one.masked, feed)
    assert difference(list(serve(written.model, feed).values()), masked) < 1e-5
    old, new = (tf.saved_model.load(str(p)) for p in (path, written.model))
    signature = old.signatures["serving_default"]
    again = new.signatures["serving_default"]
    assert sorted(new.signatures) == sorted(old.signatures)
    assert again.structured_input_signature == signature.structured_input_signature
    assert sorted(again.structured_outputs) == sorted(signature.structured_outputs)
    sizes = [sum(int(np.prod(v.shape)) for v in f.variables) for f in (again, signature)]
    assert sizes[0] < 0.7 * sizes[1]
    reread = saved_model.load(Source(written.model))
    assert difference(neutral(reread, feed), masked) < 1e-5


def test_keras_endpoint_is_kept(tmp_path: Path) -> None:
    path = exported(tmp_path, "unet")
    network = saved_model.load(Source(path))
    one = cut(network)
    out = tmp_path / "out"
    out.mkdir()
    written = saved_model.write(
        one.masked, one.compact, Destination(out, "compact", original="mine")
    )
    assert written.model == out / "mine"
    (image,) = feed_for(network).values()
    loaded = tf.saved_model.load(str(written.model))
    found = loaded.serve(tf.constant(image)).numpy()
    assert difference([found], neutral(one.masked, feed_for(network))) < 1e-5


def grouped() -> Any:
    """Keras compiles grouped convolutions apart: a call that is not inlined by itself."""
    layers = tf.keras.layers
    inputs = tf.keras.Input((8, 8, 3), name="image")
    x = layers.Conv2D(8, 3, activation="relu")(inputs)
    x = layers.Conv2D(16, 3, groups=2, activation="relu")(x)
    return tf.keras.Model(inputs, layers.Dense(3)(layers.GlobalAveragePooling2D()(x)))


def half_precision() -> Any:
    """Weights are cast to float16 inside the graph."""
    layers = tf.keras.layers
    inputs = tf.keras.Input((8, 8, 3), name="image")
    x = layers.Conv2D(8, 3, activation="relu", dtype="mixed_float16")(inputs)
    x = layers.BatchNormalization(dtype="mixed_float16")(x)
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(12, 3, dtype="mixed_float16")(x))
    return tf.keras.Model(inputs, layers.Dense(3)(x))


@pytest.mark.parametrize(("make", "tolerance"), [(grouped, 1e-5), (half_precision, 5e-3)])
def test_parts_that_exports_wrap_up(make: Any, tolerance: float, tmp_path: Path) -> None:
    randomise(make()).export(tmp_path / "saved", verbose=False)
    network = saved_model.load(Source(tmp_path / "saved"))
    assert not network.notes
    one = cut(network)
    assert len(one.grouping.groups) == 2
    out = tmp_path / "out"
    out.mkdir()
    written = saved_model.write(one.masked, one.compact, Destination(out, "compact"))
    feed = feed_for(network)
    masked = neutral(one.masked, feed)
    assert difference(list(serve(written.model, feed).values()), masked) < tolerance
    assert difference(neutral(saved_model.load(Source(written.model)), feed), masked) < 1e-5


def test_random_layers_inside(tmp_path: Path) -> None:
    layers = tf.keras.layers
    inputs = tf.keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3)(layers.RandomFlip()(inputs))
    path = tmp_path / "saved"
    tf.keras.Model(inputs, x).export(path, verbose=False)
    with pytest.raises(ModelError) as caught:
        saved_model.load(Source(path))
    assert str(caught.value) == (
        f"{path}: its function changes a variable, as random layers (RandomFlip, …) do: export "
        "the model without them"
    )


def test_refusals(tmp_path: Path) -> None:
    path = exported(tmp_path, "nested")
    with pytest.raises(UsageError, match=r"no signature 'other', only serve, serving_default$"):
        saved_model.load(Source(path, None, {"signature": "other"}))
    with pytest.raises(ModelError, match="a SavedModel holds its weights: leave out --weights"):
        saved_model.load(Source(path, path))
    content = (path / "saved_model.pb").read_bytes()
    (path / "saved_model.pb").write_bytes(content[: len(content) // 2])
    with pytest.raises(ModelError, match="not a readable SavedModel"):
        saved_model.load(Source(path))


def test_tflite_conversion_of_the_smaller_model() -> None:
    model = randomise(NETWORKS["unet"]())
    one = cut(lower_model(model))
    small = model_of(one.masked, one.compact)
    sizes = []
    for each in (model, small):
        content = tf.lite.TFLiteConverter.from_keras_model(each).convert()
        sizes.append(len(content))
    assert sizes[1] < 0.7 * sizes[0]
    interpreter = tf.lite.Interpreter(model_content=content)
    (entry,), (exit_,) = interpreter.get_input_details(), interpreter.get_output_details()
    (image,) = feed_for(one.network, 1).values()
    interpreter.allocate_tensors()
    interpreter.set_tensor(entry["index"], image)
    interpreter.invoke()
    found = interpreter.get_tensor(exit_["index"])
    assert difference([found], neutral(one.masked, feed_for(one.network, 1))) < 1e-4
