"""SavedModels keep their signatures and variables; the result converts to TFLite."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from prunus.errors import ModelError, UsageError
from prunus.network import Destination, Source
from prunus.testing import cut
from prunus_tensorflow import keras_
from prunus_tensorflow.keras_.lower import lower_model
from prunus_tensorflow.keras_.rebuild import model_of
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
    network = keras_.load(Source(path))
    feed = feed_for(network)
    before = list(serve(path, feed).values())
    assert difference(neutral(network, feed), before) < 1e-4
    one = cut(network)
    assert one.grouping.groups
    out = tmp_path / "out"
    out.mkdir()
    written = keras_.write(one.masked, one.compact, Destination(out, "compact"))
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
    reread = keras_.load(Source(written.model))
    assert difference(neutral(reread, feed), masked) < 1e-5


def test_keras_endpoint_is_kept(tmp_path: Path) -> None:
    path = exported(tmp_path, "unet")
    network = keras_.load(Source(path))
    one = cut(network)
    out = tmp_path / "out"
    out.mkdir()
    written = keras_.write(one.masked, one.compact, Destination(out, "compact", original="mine"))
    assert written.model == out / "mine"
    (image,) = feed_for(network).values()
    loaded = tf.saved_model.load(str(written.model))
    found = loaded.serve(tf.constant(image)).numpy()
    assert difference([found], neutral(one.masked, feed_for(network))) < 1e-5


def test_refusals(tmp_path: Path) -> None:
    path = exported(tmp_path, "nested")
    with pytest.raises(UsageError, match=r"no signature 'other', only serve, serving_default$"):
        keras_.load(Source(path, None, {"signature": "other"}))
    with pytest.raises(ModelError, match="a SavedModel holds its weights: leave out --weights"):
        keras_.load(Source(path, path))
    content = (path / "saved_model.pb").read_bytes()
    (path / "saved_model.pb").write_bytes(content[: len(content) // 2])
    with pytest.raises(ModelError, match="not a readable SavedModel"):
        keras_.load(Source(path))


def test_tflite_conversion_of_the_smaller_model() -> None:
    model = randomise(NETWORKS["unet"]())
    one = cut(lower_model(model))
    small = model_of(one.masked, one.compact)
    sizes = []
    for keras_model in (model, small):
        content = tf.lite.TFLiteConverter.from_keras_model(keras_model).convert()
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
