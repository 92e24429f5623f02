"""Hundreds of damaged files: one clear error or a right answer, never a traceback.

Protobuf itself is the judge of what is right: what our readers accept, it accepts too,
with the same content.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from google.protobuf import text_format
from google.protobuf.message import DecodeError

from prunus.errors import PrunusError
from prunus.network import Compact, Destination, Source
from prunus_caffe.caffemodel import read_weights
from prunus_caffe.config import read_config
from prunus_caffe.read import load
from prunus_caffe.recipe import read_solver
from prunus_caffe.records.structure import read_structure
from prunus_caffe.schema import message
from prunus_caffe.write import write

TEXT = """name: "tiny"  # a comment
input: "data"
input_dim: 1 input_dim: 2
input_dim: 8
input_dim: 8
layer {
  name: "conv1" type: "Convolution"
  bottom: "data"  top: 'conv1'
  param { lr_mult: 1 } param { lr_mult: 2 }
  convolution_param { num_output: 4, kernel_size: [3, 3]; stride: 1 weight_filler { type: "xavier" } }
}
layer { name: "bn" type: "BatchNorm" bottom: "conv1" top: "conv1" }
layer { name: "scale" type: "Scale" bottom: "conv1" top: "conv1" scale_param { bias_term: true } }
layer { name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" }
layer { name: "pool1" type: "Pooling" bottom: "conv1" top: "pool1"
  pooling_param { pool: MAX kernel_size: 2 stride: 2 } }
layer { name: "foo" type: "Foo" bottom: "pool1" top: "foo" foo_param { a: 1 } }
layer { name: "ip" type: "InnerProduct" bottom: "foo" top: "ip" inner_product_param { num_output: 3 } }
layer { name: "slice" type: "Slice" bottom: "conv1" top: "s1" top: "s2"
  slice_param { axis: 1 slice_point: 1 } }
layer { name: "prob" type: "Softmax" bottom: "ip" top: "prob" }
"""
V1 = """name: "old"
input: "data" input_shape { dim: 1 dim: 1 dim: 8 dim: 8 }
layers { name: "c" type: CONVOLUTION bottom: "data" top: "c" blobs_lr: 1
  convolution_param { num_output: 4 kernel_size: 3 group: 1 } }
layers { name: "r" type: RELU bottom: "c" top: "c" }
layers { name: "f" type: INNER_PRODUCT bottom: "c" top: "f" inner_product_param { num_output: 3 } }
"""
WORDS = [b"{", b"}", b":", b'"', b"0", b"-1", b"999999999999", b"1e99", b"layer", b"#", b"[", b"nan",
         b"dim", b"\xff", b"\0", b"\n", b"group: 3", b"axis: 9", b"bottom: \"x\"", b"type: \"Slice\""]  # fmt: skip


def mutated(data: bytes, draw: np.random.Generator) -> bytes:
    """One to three small damages."""
    for _ in range(draw.integers(1, 4)):
        if not data:
            break
        at, kind = int(draw.integers(len(data))), int(draw.integers(7))
        end = min(len(data), at + int(draw.integers(1, 12)))
        if kind == 0:
            data = data[:at]
        elif kind == 1:
            data = data[:at] + data[end:]
        elif kind == 2:
            data = data[:at] + data[at:end] * 2 + data[end:]
        elif kind == 3:
            data = data[:at] + bytes([int(draw.integers(256))]) + data[at + 1 :]
        elif kind == 4:
            data = data[:at] + bytes([data[at] ^ 1 << int(draw.integers(8))]) + data[at + 1 :]
        elif kind == 5:
            data = data[:at] + WORDS[int(draw.integers(len(WORDS)))] + data[at:]
        else:
            other = int(draw.integers(len(data)))
            data = data[:at] + data[other : other + 30] + data[at:]
    return data


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[bytes, bytes]]:
    """Text and weights of both layer formats."""
    folder = tmp_path_factory.mktemp("fuzz")
    found = {}
    for name, text in (("new", TEXT), ("old", V1)):
        model = folder / f"{name}.prototxt"
        model.write_text(text)
        network = load(Source(model, None, {"weights": "random"}))
        written = write(network, Compact(network.model, {}), Destination(folder, "masked"))
        assert written.weights is not None
        found[name] = text.encode(), written.weights.read_bytes()
    return found


def outcome(model: Path, weights: Path, folder: Path) -> bool:
    """True for success; a `PrunusError` of one line is the only other end."""
    words = ""
    try:
        network = load(Source(model, weights))
        write(network, Compact(network.model, {}), Destination(folder, "compact"))
    except PrunusError as error:
        words = str(error)
    assert "\n" not in words
    assert not words or model.name in words or weights.name in words
    return not words


@pytest.mark.parametrize("form", ["new", "old"])
@pytest.mark.parametrize("part", range(6))
def test_damaged_text(form: str, part: int, files, tmp_path: Path) -> None:
    text, weights_data = files[form]
    model, weights = tmp_path / "net.prototxt", tmp_path / "net.caffemodel"
    weights.write_bytes(weights_data)
    good = 0
    for seed in range(60):
        draw = np.random.default_rng([7, part, seed])
        data = mutated(text, draw)
        model.write_bytes(data)
        if outcome(model, weights, tmp_path):
            good += 1
            judged_text(model, data)
    assert good < 60


def judged_text(model: Path, data: bytes) -> None:
    """Protobuf's own parser reads the same layers from what we accepted."""
    theirs = message("NetParameter")()
    try:
        text_format.Parse(data.decode("utf-8", "replace"), theirs, allow_unknown_field=True)
    except text_format.ParseError as error:
        words = str(error)
    else:
        words = ""
    # protobuf stops at unknown enum values, where we make the layer opaque
    assert not words or "has no value" in words or "Enum" in words, (words, data)
    if words:
        return
    ours = read_structure(model)
    layers = [*theirs.layers, *theirs.layer]
    assert sorted(layer.name for layer in ours.layers) == sorted(layer.name for layer in layers)
    for layer in ours.layers:
        assert any(layer.params == other for other in layers)


@pytest.mark.parametrize("form", ["new", "old"])
@pytest.mark.parametrize("part", range(6))
def test_damaged_weights(form: str, part: int, files, tmp_path: Path) -> None:
    text, weights_data = files[form]
    model, weights = tmp_path / "net.prototxt", tmp_path / "net.caffemodel"
    model.write_bytes(text)
    for seed in range(60):
        draw = np.random.default_rng([9, part, seed])
        data = mutated(weights_data, draw)
        weights.write_bytes(data)
        if outcome(model, weights, tmp_path):
            judged_weights(weights, data)


def judged_weights(weights: Path, data: bytes) -> None:
    theirs = message("NetParameter")()
    try:
        theirs.ParseFromString(data)
    except DecodeError:  # a name that is not UTF-8, a field inside an unknown one
        return
    stored = read_weights(weights)
    layers = [*theirs.layers, *theirs.layer]
    by_name = {layer.name: layer for layer in layers}
    for layer in stored.layers:
        if layer.name in by_name and len([x for x in layers if x.name == layer.name]) == 1:
            for blob, other in zip(layer.blobs, by_name[layer.name].blobs, strict=True):
                expected = np.array(other.double_data or other.data, np.float32)
                np.testing.assert_array_equal(stored.array(blob), expected)


SOLVER = """net: "net.prototxt" type: "Adam" base_lr: 0.01 lr_policy: "multistep" gamma: 0.5 stepvalue: 5 stepvalue: 9
max_iter: 20 momentum: 0.9 momentum2: 0.99 snapshot: 5 snapshot_prefix: "s" solver_mode: CPU
"""
CONFIG = """workspace: "work" gpu: "0,1" test_iter: 10 acc_name: "top-1"
model: "net.prototxt" weights: "net.caffemodel" solver: "solver.prototxt" rate: 0.2
pruner { method: REGULAR exclude { layer_top: "conv1" } }
"""


@pytest.mark.parametrize(("reader", "text"), [(read_solver, SOLVER), (read_config, CONFIG)])
def test_damaged_settings(reader, text: str, tmp_path: Path) -> None:
    path, good = tmp_path / "settings.prototxt", 0
    for seed in range(200):
        path.write_bytes(mutated(text.encode(), np.random.default_rng([8, seed])))
        words = ""
        try:
            reader(path)
        except PrunusError as error:
            words = str(error)
        assert "\n" not in words
        assert not words or str(path) in words
        good += not words
    assert 0 < good < 200


@pytest.mark.parametrize("form", ["new", "old"])
def test_weights_cut_anywhere(form: str, files, tmp_path: Path) -> None:
    text, data = files[form]
    model, weights = tmp_path / "net.prototxt", tmp_path / "net.caffemodel"
    model.write_bytes(text)
    weights.write_bytes(data)
    needed = max(layer.end for layer in read_weights(weights).layers if layer.blobs)
    for length in range(0, needed, 7):  # behind it there are only layers without weights
        weights.write_bytes(data[:length])
        assert not outcome(model, weights, tmp_path)


@pytest.mark.parametrize("form", ["new", "old"])
def test_text_cut_anywhere(form: str, files, tmp_path: Path) -> None:
    text, data = files[form]
    model, weights = tmp_path / "net.prototxt", tmp_path / "net.caffemodel"
    weights.write_bytes(data)
    for length in range(0, len(text), 3):
        model.write_bytes(text[:length])
        outcome(model, weights, tmp_path)
