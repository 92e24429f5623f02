"""Images of the user's reach a Caffe network as its own data layer would feed them."""

from __future__ import annotations

import attrs
import numpy as np
import pytest
from PIL import Image

from prunus.errors import DataError
from prunus.evaluation.data import open_data
from prunus.network import Network, Source
from prunus_caffe.data import open_layer
from prunus_caffe.datasets.preprocessing import preprocessing_of
from prunus_caffe.read import load
from prunus_caffe.records.structure import read_structure
from prunus_caffe.schema import message
from prunus_caffe.testing.batches import first_batch
from prunus_caffe.testing.database import datum, write_lmdb

CONV = (
    'layer { name: "c" type: "Convolution" bottom: "data" top: "c" '
    "convolution_param { num_output: 2 kernel_size: 1 } }"
)
LIST = (
    'layer {{ name: "d" type: "ImageData" top: "data" top: "label" transform_param {{ {0} }} '
    'image_data_param {{ source: "{1}/list.txt" root_folder: "{1}/pics/" batch_size: 4 '
    "new_height: 8 new_width: 15 }} }}"
)
DATABASE = (
    'layer {{ name: "d" type: "Data" top: "data" transform_param {{ {0} }} '
    'data_param {{ source: "{1}/db" batch_size: 4 backend: LMDB }} }}'
)
TRANSFORMS = (
    "",
    "crop_size: 6 mean_value: 9",
    "scale: 0.25 mean_value: 1 mean_value: 2 mean_value: 3",
)


@pytest.fixture
def pixels():
    return np.random.default_rng(0).integers(0, 256, (4, 10, 12, 3), np.uint8)


@pytest.fixture
def folder(tmp_path, pixels):
    (tmp_path / "pics").mkdir()
    for number, image in enumerate(pixels):
        Image.fromarray(image).save(tmp_path / f"pics/{number}.png")
    (tmp_path / "list.txt").write_text("".join(f"{n}.png 0\n" for n in range(4)))
    np.savez(tmp_path / "pics.npz", x=pixels)
    return tmp_path


def loaded(folder, text) -> Network:
    path = folder / "net.prototxt"
    path.write_text(text + CONV)
    return load(Source(path, options={"weights": "random"}))


def read(spec, network):
    data = open_data(str(spec), network)
    return data.read(np.arange(len(data)), None).inputs["data"]


def own(network):
    layer = network.origin.net.layers[0]
    data = open_layer(layer, network.origin.net.path.parent)
    return data.read(np.arange(len(data)), None).inputs["data"]


@pytest.mark.parametrize("chosen", TRANSFORMS)
def test_a_folder_equals_the_image_list(folder, chosen):
    network = loaded(folder, LIST.format(chosen, folder))
    for spec in (folder / "pics", folder / "pics.npz"):
        assert np.array_equal(read(spec, network), own(network))


def test_a_folder_equals_the_database_with_its_mean_image(folder, pixels):
    stored = pixels[..., ::-1].transpose(0, 3, 1, 2)
    write_lmdb(folder / "db", (datum(image, 0) for image in stored))
    mean = np.random.default_rng(3).random((3, 10, 12)).astype(np.float32) * 100
    blob = message("BlobProto")(num=1, channels=3, height=10, width=12, data=mean.ravel().tolist())
    (folder / "mean.binaryproto").write_bytes(blob.SerializeToString())
    for chosen in (
        "",
        "crop_size: 7",
        f'crop_size: 7 scale: 2 mean_file: "{folder}/mean.binaryproto"',
    ):
        network = loaded(folder, DATABASE.format(chosen, folder))
        for spec in (folder / "pics", folder / "pics.npz"):
            assert np.allclose(read(spec, network), own(network), atol=1e-4)


@pytest.mark.caffe
@pytest.mark.parametrize("chosen", TRANSFORMS)
def test_a_folder_equals_real_caffe(folder, chosen, caffe):
    text = LIST.format(chosen, folder)
    found = first_batch(folder, caffe, text)["data"]
    assert np.abs(read(folder / "pics", loaded(folder, text)) - found).max() <= 1  # of 255


def test_without_a_data_layer_blue_comes_first(folder, pixels):
    text = 'layer { name: "i" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 10 dim: 12 } } }'
    network = loaded(folder, text)
    wanted = pixels[..., ::-1].transpose(0, 3, 1, 2)
    assert np.array_equal(read(folder / "pics", network), wanted)
    told = read(f"{folder / 'pics'}:channels=rgb,scale=0.5", network)
    assert np.array_equal(told, wanted[:, ::-1] * 0.5)
    scaled = text.replace('top: "data"', 'top: "data" transform_param { scale: 0.5 }')
    assert np.array_equal(read(folder / "pics", loaded(folder, scaled)), wanted * 0.5)


def test_what_cannot_be_preprocessed(folder):
    shape = "input_shape { dim: 1 dim: 3 dim: 4 dim: 4 }"
    two = f'input: "a" {shape} input: "b" {shape} layer {{ name: "s" type: "Eltwise" bottom: "a" bottom: "b" top: "data" }}'
    assert loaded(folder, two).task.preprocessing is None
    wide = 'input: "data" input_shape { dim: 1 dim: 4 dim: 4 dim: 4 }'
    assert loaded(folder, wide).task.preprocessing is None
    network = loaded(folder, LIST.format("", folder))
    text = LIST.format('mean_file: "gone.binaryproto"', folder)
    (folder / "net.prototxt").write_text(text + CONV)
    lost = attrs.evolve(network.origin.net, layers=read_structure(folder / "net.prototxt").layers)
    with pytest.raises(DataError) as found:
        preprocessing_of(lost)
    assert str(found.value) == (
        "gone.binaryproto: mean_file cannot be read (No such file or directory)"
    )
