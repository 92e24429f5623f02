"""Weights files: forms of storage, what does not fit, what is damaged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from prunus.errors import ModelError
from prunus.network import Compact, Destination, Network, Source
from prunus_caffe.caffemodel import read_weights
from prunus_caffe.read import load
from prunus_caffe.schema import message
from prunus_caffe.write import write

TEXT = """input: "data" input_dim: 1 input_dim: 2 input_dim: 5 input_dim: 5
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 4 kernel_size: 3 } }
layer { name: "ip" type: "InnerProduct" bottom: "conv" top: "ip" inner_product_param { num_output: 3 } }
"""


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "net.prototxt"
    path.write_text(TEXT)
    return path


def good() -> object:
    """A NetParameter that fits, made by protobuf."""
    proto = message("NetParameter")(name="n")
    draw = np.random.default_rng(0)
    for name, shapes in (("conv", ((4, 2, 3, 3), (4,))), ("ip", ((3, 36), (3,)))):
        layer = proto.layer.add(name=name, type="x")
        for shape in shapes:
            blob = layer.blobs.add()
            blob.shape.dim.extend(shape)
            blob.data.extend(draw.standard_normal(int(np.prod(shape))).astype(np.float32).tolist())
    return proto


def loaded(model: Path, proto: object) -> Network:
    weights = model.with_suffix(".caffemodel")
    weights.write_bytes(proto if isinstance(proto, bytes) else proto.SerializeToString())
    return load(Source(model, weights))


def arrays(network: Network) -> dict[str, np.ndarray]:
    return {name: array for name, array in network.weights().items() if name in network.bindings}


def expected(proto: object) -> dict[str, np.ndarray]:
    found = {}
    for layer in proto.layer:
        for role, blob in zip(("weight", "bias"), layer.blobs, strict=True):
            found[f"{layer.name}/{role}"] = np.array(blob.data, np.float32).reshape(blob.shape.dim)
    return found


def same(first: dict[str, np.ndarray], second: dict[str, np.ndarray]) -> bool:
    return first.keys() == second.keys() and all(np.array_equal(first[k], second[k]) for k in first)


def test_plain_file(model: Path) -> None:
    assert same(arrays(loaded(model, good())), expected(good()))


def test_old_four_number_shapes(model: Path) -> None:
    proto = good()
    for layer in proto.layer:
        for blob in layer.blobs:
            dims = [1] * (4 - len(blob.shape.dim)) + list(blob.shape.dim)
            blob.ClearField("shape")
            blob.num, blob.channels, blob.height, blob.width = dims
    network = loaded(model, proto)
    assert same(arrays(network), expected(good()))
    folder = model.parent / "out"
    folder.mkdir()
    written = write(network, Compact(network.model, {}), Destination(folder, "masked"))
    assert written.weights.read_bytes() == proto.SerializeToString()


def test_v1_layers_by_name_for_a_new_prototxt(model: Path) -> None:
    proto = good()
    old = message("NetParameter")()
    for layer in proto.layer:
        old.layers.add(name=layer.name, type=4).blobs.extend(layer.blobs)
    assert same(arrays(loaded(model, old)), expected(proto))


def test_double_numbers(model: Path) -> None:
    proto = good()
    blob = proto.layer[0].blobs[0]
    blob.double_data.extend(blob.data)
    blob.ClearField("data")
    network = loaded(model, proto)
    assert same(arrays(network), expected(good()))
    folder = model.parent / "out"
    folder.mkdir()
    written = write(network, Compact(network.model, {}), Destination(folder, "masked"))
    assert written.weights.read_bytes() == proto.SerializeToString()


def test_numbers_stored_one_by_one(model: Path) -> None:
    proto = good()
    blob = proto.layer[1].blobs[1]
    raw = np.array(blob.data, "<f4").tobytes()
    packed = b"\x2a\x0c" + raw
    single = b"".join(b"\x2d" + raw[at : at + 4] for at in range(0, 12, 4))
    data = proto.SerializeToString()
    assert data.endswith(packed + b"\x3a\x03\x0a\x01\x03")
    shape = b"\x3a\x03\x0a\x01\x03"
    # sizes of blob, layer change by 3 bytes less 2: rebuild the two lengths through protobuf's own parse
    inner = single + shape
    layer = proto.layer[1]
    head = message("LayerParameter")()
    head.CopyFrom(layer)
    del head.blobs[1]
    body = head.SerializeToString() + b"\x3a" + bytes([len(inner)]) + inner
    first = message("NetParameter")()
    first.CopyFrom(proto)
    del first.layer[1]
    length = len(body)
    prefix = b"\xa2\x06" + bytes([length & 0x7F | 0x80, length >> 7])
    assert same(arrays(loaded(model, first.SerializeToString() + prefix + body)), expected(good()))


def test_unknown_fields_are_kept(model: Path) -> None:
    proto = good()
    extra = b"\xfa\x7f\x03abc"  # field 2047, unknown to every Caffe
    layer = proto.layer[0].SerializeToString() + extra
    rest = message("NetParameter")()
    rest.layer.append(proto.layer[1])
    length = len(layer)
    prefix = b"\xa2\x06" + bytes([length & 0x7F | 0x80, length >> 7])
    data = extra + prefix + layer + rest.SerializeToString()
    network = loaded(model, data)
    folder = model.parent / "out"
    folder.mkdir()
    written = write(network, Compact(network.model, {}), Destination(folder, "masked"))
    assert written.weights.read_bytes() == data
    changed = network.with_weights({"conv/bias": np.zeros(4, np.float32)})
    written = write(changed, Compact(changed.model, {}), Destination(folder, "masked"))
    assert written.weights.read_bytes().count(extra) == 2


def broken(kind: str) -> object:
    proto = good()
    conv = proto.layer[0]
    if kind == "missing":
        del proto.layer[0]
    elif kind == "empty":
        del conv.blobs[:]
    elif kind == "one":
        del conv.blobs[1]
    elif kind == "three":
        conv.blobs.add().CopyFrom(conv.blobs[1])
    elif kind == "shape":
        conv.blobs[0].shape.dim[:] = [2, 4, 3, 3]
    elif kind == "short":
        del conv.blobs[0].data[70:]
    elif kind == "nan":
        conv.blobs[0].data[5] = float("nan")
        conv.blobs[0].data[6] = float("inf")
    return proto


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("missing", "{w}: no weights for layer 'conv' ({m}:2); use the weights trained for this network"),
        ("empty", "{w}: no weights for layer 'conv' ({m}:2); use the weights trained for this network"),
        ("one", "{w}: layer 'conv' has 1 blobs, {m}:2 needs blob 1 (bias) too; "
         "use the weights trained for this network"),
        ("three", "{m}:2: layer 'conv': needs 2 parameter blobs, its weights have 3 (check bias_term)"),
        ("shape", "{w}: layer 'conv' blob 0 (weight) has shape (2, 4, 3, 3), {m}:2 needs (4, 2, 3, 3); "
         "use the weights trained for this network"),
        ("short", "{w}: layer 'conv' blob 0 (weight) holds 70 numbers, its shape (4, 2, 3, 3) needs 72; "
         "the file is corrupt"),
        ("nan", "{w}: layer 'conv' blob 0 (weight) holds 2 numbers that are NaN or infinite; "
         "use weights from before the training diverged"),
    ],
)  # fmt: skip
def test_weights_that_do_not_fit(kind: str, words: str, model: Path) -> None:
    with pytest.raises(ModelError) as error:
        loaded(model, broken(kind))
    assert str(error.value) == words.format(w=model.with_suffix(".caffemodel"), m=model)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "{w}: the file is empty; copy or train it again"),
        (b"\x89HDF\r\n\x1a\n....", "{w}: weights in HDF5 form are not read; "
         "save them with snapshot_format: BINARYPROTO"),
        (b"\x0a\x01n", "{w}: not a caffemodel (it holds no layer)"),
        (good().SerializeToString()[:300], "{w}: not a caffemodel, or truncated or corrupt (byte 3: "
         "field 100 ends 43 bytes after its message); copy or train it again"),
        (b"PK\x03\x04 a zip file", "{w}: not a caffemodel, or truncated or corrupt (byte 2: "
         "no field has number 0); copy or train it again"),
        (b"\xa2\x06\x03\x0a\x01\xff", "{w}: not a caffemodel (a layer name is not text)"),
    ],
)  # fmt: skip
def test_files_that_are_no_weights(data: bytes, words: str, model: Path) -> None:
    with pytest.raises(ModelError) as error:
        loaded(model, data)
    assert str(error.value) == words.format(w=model.with_suffix(".caffemodel"))


def test_missing_files(model: Path) -> None:
    with pytest.raises(ModelError) as error:
        load(Source(model, Path("no.caffemodel")))
    assert (
        str(error.value)
        == "no.caffemodel: cannot be read (No such file or directory); check the path"
    )
    with pytest.raises(ModelError) as error:
        load(Source(model))
    assert str(error.value) == (
        f"{model}: a prototxt holds no weights; give the caffemodel with --weights "
        "(to look at the structure alone: --option weights=random)"
    )


def test_solverstate_is_not_a_caffemodel(tmp_path: Path) -> None:
    state = message("SolverState")(iter=100, learned_net="a.caffemodel")
    path = tmp_path / "a.solverstate"
    path.write_bytes(state.SerializeToString())
    with pytest.raises(ModelError, match="not a caffemodel"):
        read_weights(path)
