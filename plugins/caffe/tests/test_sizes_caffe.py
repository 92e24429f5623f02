"""Sizes of samples whose data are elsewhere, and sizes that no machine holds."""

from __future__ import annotations

from pathlib import Path

import pytest

from prunus.errors import ModelError
from prunus.network import Compact, Destination, Network, Source
from prunus_caffe.read import load
from prunus_caffe.schema import message
from prunus_caffe.write import write

DATA = """layer {{ name: "d" type: "Data" top: "data" top: "label" include {{ phase: {phase} }}
  {more} data_param {{ source: "elsewhere" batch_size: 4 backend: LMDB }} }}
"""
NET = """
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 4 kernel_size: 5 } }
layer { name: "pool" type: "Pooling" bottom: "conv" top: "pool"
  pooling_param { kernel_size: 2 stride: 2 } }
layer { name: "ip" type: "InnerProduct" bottom: "pool" top: "ip"
  inner_product_param { num_output: 3 TRANSPOSE } }
"""
NO_CONVOLUTION = """
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip"
  inner_product_param { num_output: 3 } }
"""


def trained(folder: Path, net: str, size: str) -> Path:
    """Weights for samples of a size."""
    path = folder / "sized.prototxt"
    path.write_text(DATA.format(phase="TEST", more="") + net)
    network = load(Source(path, None, {"weights": "random", "input-shape": f"data:{size}"}))
    written = write(network, Compact(network.model, {}), Destination(folder, "masked"))
    assert written.weights is not None
    return written.weights


def read(folder: Path, weights: Path | None, net: str, test: str = "", train: str = "") -> Network:
    path = folder / "train_val.prototxt"
    data = DATA.format(phase="TRAIN", more=train) + DATA.format(phase="TEST", more=test)
    path.write_text(data + net)
    return load(Source(path, weights, {} if weights else {"weights": "random"}))


def note(shape: str, source: str) -> str:
    return (
        f"the samples of layer 'd' cannot be read here: input 'data' is taken as {shape}, told by "
        f"{source}; if it is another: --option input-shape=data:CxHxW"
    )


def shape(network: Network) -> tuple[int, ...]:
    return tuple(network.model.graph.inputs[0].shape)[1:]


@pytest.mark.parametrize("size", ["1x28x28", "3x32x32", "2x96x96"])
@pytest.mark.parametrize("transposed", ["", "transpose: true"])
def test_the_weights_tell(tmp_path: Path, size: str, transposed: str) -> None:
    net = NET.replace("TRANSPOSE", transposed)
    network = read(tmp_path, trained(tmp_path, net, size), net)
    assert "x".join(map(str, shape(network))) == size
    assert network.notes == (note(size, "the weights of the first full layer"),)


@pytest.mark.parametrize(
    ("size", "taken"), [("1x28x28", "1x28x28"), ("3x32x32", "3x32x32"), ("50x1x1", "50x1x1")]
)
def test_the_weights_tell_without_a_convolution(tmp_path: Path, size: str, taken: str) -> None:
    network = read(tmp_path, trained(tmp_path, NO_CONVOLUTION, size), NO_CONVOLUTION)
    assert "x".join(map(str, shape(network))) == taken


def test_the_other_phase_tells(tmp_path: Path) -> None:
    net = NET.replace("TRANSPOSE", "")
    weights = trained(tmp_path, net, "3x20x20")
    network = read(tmp_path, weights, net, train="transform_param { crop_size: 20 }")
    assert shape(network) == (3, 20, 20)
    assert network.notes == (note("3x20x20", "line 1"),)


@pytest.mark.parametrize(("crop", "size"), [("", (3, 24, 22)), ("crop_size: 20", (3, 20, 20))])
def test_the_mean_image_tells(tmp_path: Path, crop: str, size: tuple[int, ...]) -> None:
    blob = message("BlobProto")(num=1, channels=3, height=24, width=22, data=[0.0] * 3 * 24 * 22)
    (tmp_path / "mean").write_bytes(blob.SerializeToString())
    mean = f'transform_param {{ mean_file: "{tmp_path}/mean" {crop} }}'
    network = read(tmp_path, None, NET.replace("TRANSPOSE", ""), test=mean)
    assert shape(network) == size
    assert network.notes == (note("x".join(map(str, size)), "the mean image"),)


def test_a_global_pooling_leaves_it_open(tmp_path: Path) -> None:
    net = NET.replace("TRANSPOSE", "").replace("kernel_size: 2 stride: 2", "global_pooling: true")
    with pytest.raises(ModelError) as error:
        read(tmp_path, trained(tmp_path, net, "3x20x20"), net)
    assert str(error.value).endswith("give it: --option input-shape=data:CHANNELSxHEIGHTxWIDTH")
    assert len(str(error.value).replace(str(tmp_path), "")) < 300


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            NET.replace("num_output: 4", "num_output: 2000000000"),
            ":4: weights up to layer 'conv': declares 600 GB, more than half of this machine's ",
        ),
        (
            NO_CONVOLUTION.replace("num_output: 3", "num_output: 2000000000"),
            ":4: weights up to layer 'ip': declares 3.46 TB, more than half of this machine's ",
        ),
        (
            NET + 'layer { name: "t" type: "Tile" bottom: "ip" top: "t"'
            " tile_param { tiles: 2000000000 } }",
            ":10: layer 't': would give 24000000000 values, Caffe counts to 2147483647; "
            "check num_output and the sizes before it",
        ),
    ],
)
def test_sizes_that_no_machine_holds(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "net.prototxt"
    text = text.replace("TRANSPOSE", "")
    path.write_text(
        'input: "data" input_dim: 4 input_dim: 3 input_dim: 12 input_dim: 12\n\n' + text
    )
    with pytest.raises(ModelError) as error:
        load(Source(path, None, {"weights": "random"}))
    assert str(error.value).startswith(f"{path}{said}")


def test_an_input_that_caffe_cannot_count(tmp_path: Path) -> None:
    path = tmp_path / "net.prototxt"
    path.write_text(
        'input: "data" input_dim: 1 input_dim: 3 input_dim: 30000 input_dim: 30000\n'
        + NET.replace("TRANSPOSE", "")
    )
    with pytest.raises(ModelError) as error:
        load(Source(path, None, {"weights": "random"}))
    assert str(error.value) == (
        f"{path}: input 'data' would hold 2700000000 values, Caffe counts to 2147483647; "
        "check its shape"
    )
