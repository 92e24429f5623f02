"""Networks of every format, compressed: native files come back and run in their frameworks."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

import prunus
from prunus.plugin import Session, random_inputs

ROOT = Path(__file__).parents[1]
MODELS = Path(os.environ.get("PRUNUS_SHARED") or ROOT.parent / "shared") / "data/models"
BITS = {"conv": 5, "fc": 3}


def again(folder, network):
    """The compressed network, the files that came back, and what prunus loads from them."""
    found = prunus.compress(network, bits=BITS)
    assert all(row.coded is not None for row in found.layers)
    written = prunus.decompress(found.save(folder / "net.prunus"), folder / "native")
    loaded = prunus.load(written.model, written.weights)
    for name, array in found.network.weights().items():
        if name.endswith("weight"):
            np.testing.assert_array_equal(loaded.weights()[name], array)
    # once more, from files whose weights share values: nothing changes
    assert prunus.compress(loaded, bits=BITS).layers == found.layers
    return found, written


def outputs(network):
    """Inputs drawn, and the raw outputs of the graph."""
    inputs = random_inputs(network.model, 2, 0)
    return inputs, Session(network.model).run(inputs)


def shared(name):
    if not (MODELS / name).exists():
        pytest.skip(f"{MODELS / name} is needed")
    return MODELS / name


@pytest.mark.shared
def test_onnx(tmp_path):
    network = prunus.load(shared("onnx/slim-320_simplified.onnx"))
    found, written = again(tmp_path, network)
    inputs, wanted = outputs(found.network)
    session = onnxruntime.InferenceSession(str(written.model))
    one = {name: array[:1] for name, array in inputs.items()}
    for value, array in zip(session.get_outputs(), session.run(None, one), strict=True):
        np.testing.assert_allclose(array, wanted[value.name][:1], rtol=1e-3, atol=1e-4)


@pytest.mark.caffe
def test_caffe(tmp_path):
    testing = pytest.importorskip("prunus_caffe.testing")
    python = testing.caffe_python()
    if python is None:
        pytest.skip("PRUNUS_CAFFE_PYTHON names no interpreter with Caffe")
    folder = shared("caffe/lenet")
    network = prunus.load(folder / "lenet.prototxt", folder / "lenet_iter_10000.caffemodel")
    found, written = again(tmp_path, network)
    inputs, wanted = outputs(found.network)
    job = testing.CaffeJob(written.model, written.weights, inputs)
    (theirs,) = testing.run_caffe([job], python)
    for name, array in theirs.items():
        assert testing.relative_error(wanted[name], array) <= 1e-5


@pytest.mark.darknet
def test_darknet(tmp_path):
    pytest.importorskip("prunus_darknet")
    from prunus_darknet.library import library
    from prunus_darknet.testing.real_darknet import predict

    if library() is None:
        pytest.skip("real Darknet is not installed (Debian package darknet)")
    folder = ROOT / "examples/darknet-digits"
    network = prunus.load(folder / "digits.cfg", folder / "digits.weights")
    found, written = again(tmp_path, network)
    inputs, wanted = outputs(found.network)
    (data,) = inputs.values()
    first = next(iter(wanted))
    index = int(first.split(":")[0]) if first.split(":")[0].isdigit() else None
    assert index is not None, first
    theirs = predict(written.model, written.weights, data[0], [index], 0)[index]
    np.testing.assert_allclose(theirs, wanted[first][0], rtol=1e-3, atol=1e-4)


@pytest.mark.tensorflow
@pytest.mark.parametrize(
    "name",
    [
        "tensorflow/cifar10_keras/cifar10_cnn.keras",
        "tensorflow/resnet8_cifar10/pretrainedResnet.h5",
    ],
)
def test_keras(tmp_path, name):
    keras = pytest.importorskip("keras")
    found, written = again(tmp_path, prunus.load(shared(name)))
    inputs, wanted = outputs(found.network)
    ((_, data),), ((_, array),) = inputs.items(), wanted.items()
    model = keras.models.load_model(written.model, compile=False)
    np.testing.assert_allclose(np.asarray(model(data)), array, rtol=1e-3, atol=1e-4)


@pytest.mark.tensorflow
@pytest.mark.parametrize(
    ("model", "weights"),
    [
        ("tensorflow/kws_ds_cnn/DS_CNN_S.pb", None),
        ("tensorflow/mtcnn_rnet/RNet-14.meta", "tensorflow/mtcnn_rnet/RNet-14"),
    ],
)
def test_graphs(tmp_path, model, weights):
    pytest.importorskip("tensorflow", reason="TensorFlow is not installed")
    again(tmp_path, prunus.load(shared(model), weights and MODELS / weights))
