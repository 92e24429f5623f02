"""Bad files, custom code, unknown layers: named, never a traceback, never silent."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from prunus.cli import run
from prunus.errors import ModelError, PrunusError, UsageError
from prunus.evaluation.session import Session
from prunus.network import Destination, Source
from prunus.testing import cut
from prunus.testing.command_line import refused
from prunus_tensorflow import keras_model
from prunus_tensorflow.keras_model.lower import lower_model
from prunus_tensorflow.testing.compare import difference, feed_for, keras_outputs, neutral
from prunus_tensorflow.testing.networks import NETWORKS
from prunus_tensorflow.testing.random_weights import randomise

keras = pytest.importorskip("keras", reason="Keras is not installed")
L = keras.layers
pytestmark = pytest.mark.tensorflow

CUSTOM = """
import keras

class Scale(keras.layers.Layer):
    def build(self, shape):
        self.factor = self.add_weight(shape=(shape[-1],), name="factor")
    def call(self, x):
        return x * self.factor

def wave(x):
    return keras.ops.sin(x)

def loss(y, p):
    return keras.ops.mean(keras.ops.square(y - p))
"""


def custom_model(directory: Path) -> Path:
    code = directory / "own.py"
    code.write_text(CUSTOM)
    scope: dict[str, Any] = {"__name__": "own"}
    exec(compile(CUSTOM, "own.py", "exec"), scope)
    inputs = keras.Input((8, 8, 3), name="image")
    x = L.Conv2D(8, 3, name="free")(inputs)
    x = L.Conv2D(10, 3, name="before")(x)
    x = scope["Scale"](name="own_scale")(x)
    x = L.Conv2D(12, 1, name="behind")(x)
    x = L.Conv2D(4, 1, activation=scope["wave"], name="waving")(x)
    x = L.Conv2D(6, 1, name="later")(x)
    model = randomise(keras.Model(inputs, L.Conv2D(2, 1, name="last")(x)))
    path = directory / "custom.keras"
    model.save(path)
    return path


def test_custom_code_of_a_received_workspace_or_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An exploit: the files name code, and their consumer never did."""
    custom_model(tmp_path)
    monkeypatch.chdir(tmp_path)
    start = ["--model", "custom.keras", "--option", "custom_objects=own.py"]
    assert run(["prune", *start, "--workspace", "ws", "--rate", "0.2", "--best-effort"]) == 0
    Path("own.py").write_text(CUSTOM + "\nopen('ran', 'w')\n")
    end = (
        "options.custom_objects = 'own.py' runs Python, and only a file says so; "
        "if you trust it, give --allow-code or --option custom_objects=own.py"
    )
    assert refused("transform", "--workspace", "ws") == (2, f"error: ws/state.json: {end}")
    Path("prunus.toml").write_text(
        'model = "custom.keras"\ndata = "own.py:samples"\n[options]\ncustom_objects = "own.py"\n'
    )
    assert refused("eval", "--config", "prunus.toml", "--data", "d.npz") == (
        2,
        f"error: prunus.toml: {end}",
    )
    code, message = refused("eval", "--config", "prunus.toml", *start)
    assert (code, message.partition(" runs")[0]) == (
        2,
        "error: prunus.toml: data = 'own.py:samples'",
    )
    assert not Path("ran").exists()
    assert run(["transform", "--workspace", "ws", "--allow-code"]) == 0
    assert Path("ran").exists()


def test_opaque_layers_are_barriers(tmp_path: Path) -> None:
    path = custom_model(tmp_path)
    options = {"custom_objects": str(tmp_path / "own.py")}
    network = keras_model.load(Source(path, None, options))
    assert network.notes == (
        "layer 'own_scale' of type 'Scale': its class is 'Scale' of prunus_user_own, not one of "
        "Keras; it stays as it is",
        "layer 'waving' of type 'Conv2D': its activation 'wave' is not known; it stays as it is",
    )
    assert network.frozen == {
        "before": "feeds opaque layer 'own_scale' of type 'Scale'",
        "behind": "feeds opaque layer 'waving' of type 'Conv2D'",
    }
    assert [v.name for v in network.model.graph.inputs] == ["image", "own_scale", "waving"]
    one = cut(network)
    assert sorted(layer for group in one.grouping.groups for layer in group.layers) == [
        "free",
        "later",
    ]
    out = tmp_path / "out"
    out.mkdir()
    written = keras_model.write(one.masked, one.compact, Destination(out, "compact"))
    again = keras_model.load(Source(written.model, None, options))
    feed = feed_for(network)
    assert difference(neutral(again, feed), neutral(one.masked, feed)) < 1e-5
    image = {"image": feed["image"]}
    full = keras_model.write(one.masked, one.compact, Destination(out, "masked", "masked.keras"))
    wide = keras_model.load(Source(full.model, None, options)).origin
    small = again.origin
    assert (small.model.get_layer("free").filters, wide.model.get_layer("free").filters) == (4, 8)
    arrays = [np.asarray(m.model(image["image"])) for m in (small, wide)]
    assert difference(arrays[:1], arrays[1:]) < 1e-5


def test_missing_code_says_what_to_give(tmp_path: Path) -> None:
    path = custom_model(tmp_path)
    with pytest.raises(ModelError, match="custom_objects") as caught:
        keras_model.load(Source(path))
    assert str(caught.value) == (
        f"{path}: needs 'Scale', which is not Keras' own: give --option custom_objects=FILE.py "
        "with its code"
    )
    with pytest.raises(UsageError, match=r"none\.py: no such file"):
        keras_model.load(Source(path, None, {"custom_objects": str(tmp_path / "none.py")}))


def test_compile_settings_of_missing_code_are_kept(tmp_path: Path) -> None:
    inputs = keras.Input((8, 8, 3))
    model = keras.Model(inputs, L.Conv2D(2, 1)(L.Conv2D(8, 3)(inputs)))
    model.compile("adam", "mse")
    path = tmp_path / "net.keras"
    model.save(path)
    with zipfile.ZipFile(path) as archive:
        content = {entry: archive.read(entry) for entry in archive.namelist()}
    config = json.loads(content["config.json"])
    config["compile_config"]["loss"] = {
        "module": "own",
        "class_name": "function",
        "config": "loss",
        "registered_name": "own>loss",
    }
    with zipfile.ZipFile(path, "w") as archive:
        for entry, data in content.items():
            new = json.dumps(config).encode() if entry == "config.json" else data
            archive.writestr(entry, new)
    network = keras_model.load(Source(path))
    assert network.notes[0].startswith("the compile settings could not be restored: ")
    one = cut(network)
    out = tmp_path / "out"
    out.mkdir()
    written = keras_model.write(one.masked, one.compact, Destination(out, "compact"))
    with zipfile.ZipFile(written.model) as archive:
        stored = json.loads(archive.read("config.json"))["compile_config"]
    assert stored == config["compile_config"]


def test_compile_settings_are_written(tmp_path: Path) -> None:
    model = randomise(NETWORKS["unet"]())
    model.compile(keras.optimizers.Adam(0.003), "mean_absolute_error", metrics=["mae"])
    one = cut(lower_model(model))
    written = keras_model.write(
        one.masked, one.compact, Destination(tmp_path, "compact", "a.keras")
    )
    plain = keras.models.load_model(written.model)
    assert plain.loss == "mean_absolute_error"
    assert float(plain.optimizer.learning_rate.numpy()) == pytest.approx(0.003)
    weights = 4 * plain.count_params()
    assert written.model.stat().st_size < weights + 120_000  # no optimizer slots


def test_the_smaller_model_is_called_as_the_original(tmp_path: Path) -> None:
    """Not as the finetuned file it was read from."""
    NETWORKS["unet"]().save(tmp_path / "_iter_30.keras")
    one = cut(keras_model.load(Source(tmp_path / "_iter_30.keras")))
    out = tmp_path / "out"
    out.mkdir()
    for name, position in (
        (None, "net.keras"),
        ("mine.keras", "mine.keras"),
        ("mine", "mine.keras"),
    ):
        destination = Destination(out, "compact", name, original="net.keras")
        assert keras_model.write(one.masked, one.compact, destination).model == out / position


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_written_model_trains_on(suffix: str, tmp_path: Path) -> None:
    model = randomise(NETWORKS["nested"]())
    model.compile("rmsprop", "mean_squared_error")
    model.fit(np.zeros((2, 16, 16, 3)), np.zeros((2, 5)), verbose=0)
    one = cut(lower_model(model))
    written = keras_model.write(
        one.masked, one.compact, Destination(tmp_path, "compact", f"a{suffix}")
    )
    plain = keras.models.load_model(written.model)
    before = plain.get_weights()
    plain.fit(np.ones((2, 16, 16, 3)), np.ones((2, 5)), verbose=0)
    pairs = zip(before, plain.get_weights(), strict=True)
    assert any(not np.array_equal(a, b) for a, b in pairs)


def test_weights_of_another_file(tmp_path: Path) -> None:
    first, second = randomise(NETWORKS["nested"](), 0), randomise(NETWORKS["nested"](), 1)
    path, other = tmp_path / "a.keras", tmp_path / "b.keras"
    first.save(path)
    second.save(other)
    second.save_weights(tmp_path / "b.weights.h5")
    for weights in (other, tmp_path / "b.weights.h5"):
        network = keras_model.load(Source(path, weights))
        feed = feed_for(network)
        assert difference(neutral(network, feed), keras_outputs(second, network, feed)) < 1e-5
    NETWORKS["unet"]().save_weights(tmp_path / "c.weights.h5")
    with pytest.raises(ModelError, match=r"c\.weights\.h5: does not fit .*a\.keras: ") as caught:
        keras_model.load(Source(path, tmp_path / "c.weights.h5"))
    assert "\n" not in str(caught.value)
    with pytest.raises(ModelError, match=r"none\.h5: no such file; check --weights$"):
        keras_model.load(Source(path, tmp_path / "none.h5"))


def test_sizes_left_open_are_asked_for(tmp_path: Path) -> None:
    inputs = keras.Input((None, None, 3), name="image")
    x = L.Conv2D(2, 3, padding="same")(L.Conv2D(8, 3, strides=2)(inputs))
    path = tmp_path / "open.keras"
    randomise(keras.Model(inputs, x)).save(path)
    with pytest.raises(ModelError) as caught:
        keras_model.load(Source(path))
    assert str(caught.value) == (
        f"{path}: input 'image' has no full shape ['N', None, None, 3]: give input_node_shapes, "
        "such as 1,224,224,3"
    )
    network = keras_model.load(Source(path, None, {"input_node_shapes": "1,17,19,3"}))
    feed = feed_for(network)
    wanted = keras_outputs(network.origin.model, network, feed)
    assert difference(neutral(network, feed), wanted) < 1e-5
    one = cut(network)
    written = keras_model.write(
        one.masked, one.compact, Destination(tmp_path, "compact", "s.keras")
    )
    assert keras.models.load_model(written.model).input_shape == (None, None, None, 3)


def test_models_without_a_graph_are_refused() -> None:
    class Own(keras.Model):
        def call(self, x: Any) -> Any:
            return x

    with pytest.raises(ModelError, match="is a subclass with its own call"):
        lower_model(Own())
    with pytest.raises(ModelError, match="has no input shape: build it"):
        lower_model(keras.Sequential([L.Dense(3)]))


def test_nan_weights_name_the_layer() -> None:
    model = NETWORKS["nested"]()
    layer = model.get_layer("inner").get_layer("block").get_layer("bn")
    layer.moving_mean.assign(np.full(16, np.nan))
    with pytest.raises(ModelError) as caught:
        lower_model(model)
    assert str(caught.value) == (
        "layer 'inner/block/bn': variable 'moving_mean' holds values that are not finite"
    )


def test_a_variance_below_zero() -> None:
    inputs = keras.Input((4, 4, 1))
    x = L.Normalization(mean=[0.0], variance=[-1.0], name="norm")(inputs)
    with pytest.raises(ModelError) as caught:
        lower_model(keras.Model(inputs, L.Conv2D(2, 1)(L.Conv2D(4, 1)(x))))
    assert str(caught.value) == (
        "layer 'norm': its mean and variance are no finite numbers, the variance not below 0: "
        "adapt the layer again"
    )


def test_functions_that_keras_does_not_read_from_hdf5(tmp_path: Path) -> None:
    inputs = keras.Input((4, 4, 1))
    path = tmp_path / "net.h5"
    keras.Model(inputs, keras.ops.mean(L.Conv2D(2, 1)(inputs), axis=(1, 2))).save(path)
    with pytest.raises(ModelError) as caught:
        keras_model.load(Source(path))
    assert str(caught.value) == (
        f"{path}: holds 'Mean', a function of keras.ops, which Keras does not read from HDF5: save "
        "the model as .keras"
    )


def test_training_forced_on_is_a_barrier() -> None:
    inputs = keras.Input((8, 8, 3))
    x = L.Conv2D(8, 3, name="conv")(inputs)
    x = L.Dropout(0.5, name="always")(x, training=True)
    network = lower_model(randomise(keras.Model(inputs, L.Conv2D(2, 1)(x))))
    assert network.frozen == {"conv": "feeds opaque layer 'always' of type 'Dropout'"}
    assert "called with training=True" in network.notes[0]


def refusal(path: Path) -> str | None:
    """The message, or ``None`` if the damage left a whole network."""
    try:
        Session(keras_model.load(Source(path)).model)
    except PrunusError as error:
        return str(error)
    return None


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_damaged_files_give_one_line(suffix: str, tmp_path: Path) -> None:
    model = randomise(NETWORKS["squeeze_excite"]())
    path = tmp_path / f"net{suffix}"
    model.save(path)
    content = path.read_bytes()
    rng = np.random.default_rng(0)
    broken = tmp_path / f"broken{suffix}"
    refused = 0
    for trial in range(24):
        data = bytearray(content)
        if trial % 2:
            data = data[: int(rng.integers(1, len(data)))]
        else:
            for position in rng.integers(0, len(data), 40):
                data[position] = int(rng.integers(256))
        broken.write_bytes(bytes(data))
        message = refusal(broken)
        if message is not None:
            refused += 1
            assert message.startswith(str(broken))
            assert "\n" not in message
    assert refused >= 12
    broken.write_bytes(b"")
    with pytest.raises(ModelError, match="not a readable"):
        keras_model.load(Source(broken))


def test_weights_alone_are_no_model(tmp_path: Path) -> None:
    path = tmp_path / "only.weights.h5"
    NETWORKS["unet"]().save_weights(path)
    with pytest.raises(ModelError, match="holds weights without a model; give the file of"):
        keras_model.load(Source(path))
    with pytest.raises(ModelError, match=r"gone\.keras: no such file; check --model$"):
        keras_model.load(Source(tmp_path / "gone.keras"))
