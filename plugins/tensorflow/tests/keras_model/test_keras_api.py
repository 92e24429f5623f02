"""Models in memory, samples from functions, shared models of third parties."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from prunus.errors import DataError, PlanError, PluginError, PrunusError, UsageError
from prunus.network import Source
from prunus.testing import cut
from prunus_tensorflow import keras_model
from prunus_tensorflow.api import network_of, prune
from prunus_tensorflow.data import open_data
from prunus_tensorflow.testing.compare import difference, feed_for, keras_outputs, neutral, written
from prunus_tensorflow.testing.networks import NETWORKS
from prunus_tensorflow.testing.random_weights import randomise

keras = pytest.importorskip("keras", reason="Keras is not installed")
L = keras.layers
pytestmark = pytest.mark.tensorflow


def macs(model: object) -> float:
    from prunus.graph.macs import cost_model
    from prunus.grouping import find_groups

    network = network_of(model)
    return float(cost_model(network.model, find_groups(network)).total)


def test_prune_in_memory() -> None:
    model = randomise(NETWORKS["unet"]())
    model.compile("adam", "mse")
    found = prune(
        model,
        0.5,
        exclude=("one_conv",),
        samples=np.ones((4, 32, 32, 3), "f4"),
        criterion="l1",
        allocation="uniform",
    )
    small = found.model
    assert 1 - macs(small) / macs(model) == pytest.approx(0.5, abs=0.02)
    assert small.get_layer("one_conv").filters == 8
    assert [layer.name for layer in small.layers] == [layer.name for layer in model.layers]
    assert small.loss == "mse"
    small.fit(np.zeros((4, 32, 32, 3)), np.zeros((4, 32, 32, 4)), verbose=0)
    assert (found.before.macs, found.after.macs) == (macs(model), macs(small))
    assert found.after.params == sum(int(np.prod(w.shape)) for w in small.trainable_weights)
    first, second, third, fourth = repr(found).splitlines()
    assert first == (
        f"MACs {found.before.macs:,} -> {found.after.macs:,} "
        f"({found.after.macs / found.before.macs - 1:+.1%})"
    )
    assert second.startswith(f"params {found.before.params:,} -> {found.after.params:,} (-")
    assert third == "criterion l1, allocation uniform"
    assert fourth.startswith("proof: equal to the masked model, largest relative error ")
    with pytest.raises(PlanError, match="unreachable|reach"):
        prune(model, 0.999)


def test_names_nobody_knows_are_refused() -> None:
    model = keras.Sequential(
        [keras.Input((8, 8, 3)), L.Conv2D(8, 3, name="one"), L.Conv2D(4, 3, name="two")]
    )
    for options, message in [
        ({"exclude": ("nope",)}, "exclude nope: the network has no such layer; stat() lists them"),
        (
            {"exclude": ("onee",)},
            "exclude onee: the network has no such layer; did you mean 'one'?; stat() lists them",
        ),
        (
            {"allocation": "sensitivity"},
            "allocation 'sensitivity' needs measured curves: those that 'prunus ana' leaves in the "
            "workspace, or sensitivity= from Python",
        ),
    ]:
        with pytest.raises(PrunusError) as caught:
            prune(model, 0.5, **options)
        assert str(caught.value) == message
    with pytest.raises(UsageError, match="^unknown allocation 'globl'; .*did you mean 'global'"):
        prune(model, 0.5, allocation="globl")


SAMPLES = """
import numpy as np, tensorflow as tf

def arrays(training):
    n = 6 if training else 4
    return np.arange(n * 12).reshape(n, 2, 2, 3), np.eye(3)[np.arange(n) % 3]

def pipeline():
    x, y = arrays(True)
    return tf.data.Dataset.from_tensor_slices((x, y.argmax(1))).map(lambda a, b: (a + 1, b))

def batched():
    return pipeline().batch(4).prefetch(1)

def images():
    return tf.data.Dataset.from_tensor_slices(arrays(True)[0])

def endless():
    return pipeline().repeat()

def wrong():
    return np.zeros((4, 5, 5, 3))

def broken():
    raise RuntimeError("no disk")
"""


def test_samples_from_a_function(tmp_path: Path) -> None:
    path = tmp_path / "samples.py"
    path.write_text(SAMPLES)
    inputs = keras.Input((2, 2, 3), name="image")
    network = network_of(keras.Model(inputs, L.Conv2D(2, 1)(L.Conv2D(4, 1)(inputs))))
    data = open_data(f"{path}:arrays", network, True)
    assert data is not None
    assert len(data) == 6
    assert len(open_data(f"{path}:arrays", network, False) or ()) == 4
    batch = data.read(np.array([4, 0]), None)
    assert batch.labels.tolist() == [1, 0]
    assert batch.inputs["image"][0, 0, 0].tolist() == [48, 49, 50]
    for name in ("pipeline", "batched"):
        found = open_data(f"{path}:{name}", network, True)
        assert found is not None
        assert found.read(np.array([0, 5]), None).labels.tolist() == [0, 2]
        assert found.read(np.array([5]), None).inputs["image"].min() == 61
    plain = open_data(f"{path}:images", network, True)
    assert plain is not None
    assert (len(plain), plain.read(np.array([0]), None).labels) == (6, None)
    assert open_data("some.npz", network, True) is None
    assert data.digest() != plain.digest()
    refusals = {
        "endless": "repeats for ever; return one pass over it",
        "wrong": r"samples of shape \(5, 5, 3\) do not fit input 'image' of shape \(2, 2, 3\)",
    }
    for name, message in refusals.items():
        with pytest.raises(DataError, match=message):
            open_data(f"{path}:{name}", network, True)
    with pytest.raises(UsageError, match=r"samples\.py: has no function 'nothing'$"):
        open_data(f"{path}:nothing", network, True)
    with pytest.raises(PluginError, match=r"samples\.py:broken, line 25: RuntimeError: no disk$"):
        open_data(f"{path}:broken", network, True)


SHARED = {
    "resnet8_cifar10/pretrainedResnet.h5": 6,
    "mini_xception_fer/fer2013_mini_XCEPTION.119-0.65.hdf5": 10,
    "cifar10_keras/cifar10_cnn.keras": 3,
}


@pytest.fixture(scope="session")
def shared() -> Path:
    here = Path(__file__).resolve()
    root = Path(os.environ.get("PRUNUS_SHARED", here.parents[5] / "shared")) / "data"
    if not (root / "models" / "tensorflow").is_dir():
        pytest.skip(f"shared models not found under {root}")
    return root


@pytest.mark.shared
@pytest.mark.parametrize("name", sorted(SHARED))
def test_models_of_third_parties(name: str, shared: Path, tmp_path: Path) -> None:
    path = shared / "models" / "tensorflow" / name
    network = keras_model.load(Source(path))
    feed = feed_for(network)
    if "resnet8" in name:  # this one takes raw pixels
        feed = {key: 60 * array + 128 for key, array in feed.items()}
    wanted = keras_outputs(network.origin.model, network, feed)
    assert difference(neutral(network, feed), wanted) < 1e-4
    one = cut(network)
    assert len(one.grouping.groups) == SHARED[name]
    files = written(one, tmp_path / "out", "compact", path.name)
    plain = keras.models.load_model(files.model, compile=False)
    assert difference(keras_outputs(plain, network, feed), neutral(one.masked, feed)) < 1e-5
    assert files.model.stat().st_size < 0.75 * path.stat().st_size


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "scale", "accuracy"),
    [
        ("resnet8_cifar10/pretrainedResnet.h5", 1.0, 0.868),
        ("cifar10_keras/cifar10_cnn.keras", 1 / 255, 0.722),
    ],
)
def test_accuracy_on_real_images(name: str, scale: float, accuracy: float, shared: Path) -> None:
    network = keras_model.load(Source(shared / "models" / "tensorflow" / name))
    with np.load(shared / "datasets" / "cifar10" / "test.npz") as stored:
        x, y = stored["x"][:1000], stored["y"][:1000].reshape(-1)
    (entry,) = (value.name for value in network.model.graph.inputs)
    (scores,) = neutral(network, {entry: x.astype("f4") * np.float32(scale)})
    wanted = keras_outputs(network.origin.model, network, {entry: x.astype("f4") * scale})
    assert float((scores.argmax(1) == y).mean()) == pytest.approx(accuracy, abs=0.02)
    assert (scores.argmax(1) == wanted[0].argmax(1)).mean() > 0.998
