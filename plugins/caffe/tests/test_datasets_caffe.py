"""Data layers: every kind of source, and transform_param as real Caffe applies it."""

from __future__ import annotations

import io
import sys

import numpy as np
import pytest
from PIL import Image

from prunus.errors import DataError
from prunus.formats import child
from prunus_caffe.data import open_layer
from prunus_caffe.datasets.databases import _opened, open_database
from prunus_caffe.datasets.images import resize
from prunus_caffe.datasets.transform import Transform
from prunus_caffe.records.structure import read_structure
from prunus_caffe.schema import message
from prunus_caffe.testing.batches import first_batch
from prunus_caffe.testing.database import datum, encoded_datum, write_leveldb, write_lmdb


def layer(tmp_path, text):
    path = tmp_path / "data.prototxt"
    path.write_text(text)
    return read_structure(path).layers[0]


def write_images(path, images):
    write_lmdb(path, (datum(image, number % 3) for number, image in enumerate(images)))


def png(pixels):
    """A file of pixels ``(H, W)`` or ``(H, W, 3)`` RGB."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (7, 3, 10, 12), np.uint8)


DATA = 'layer {{ name: "d" type: "Data" top: "data" top: "label" transform_param {{ {} }} data_param {{ source: "db" batch_size: 2 backend: LMDB }} }}'


@pytest.mark.parametrize("encoded", [False, True])
def test_lmdb(tmp_path, images, encoded):
    if encoded:
        files = (png(image[::-1].transpose(1, 2, 0)) for image in images)
        write_lmdb(tmp_path / "db", (encoded_datum(file, n % 3) for n, file in enumerate(files)))
    else:
        write_images(tmp_path / "db", images)
    data = open_layer(layer(tmp_path, DATA.format("")), tmp_path)
    batch = data.read(np.array([4, 1]), None)
    assert np.array_equal(batch.inputs["data"], images[[4, 1]].astype(np.float32))
    assert batch.labels.tolist() == [1, 1]
    assert len(data) == 7


def test_test_phase_takes_the_centre_and_training_draws(tmp_path, images):
    write_images(tmp_path / "db", images)
    text = DATA.format(
        "crop_size: 8 mirror: true scale: 0.5 mean_value: 10 mean_value: 20 mean_value: 30"
    )
    data = open_layer(layer(tmp_path, text), tmp_path)
    mean = np.array([10, 20, 30], np.float32)[:, None, None]
    expected = (images[0].astype(np.float32) - mean)[:, 1:9, 2:10] * 0.5
    assert np.allclose(data.read(np.array([0]), None).inputs["data"][0], expected)
    crops = {
        data.read(np.array([0]), np.random.default_rng(seed)).inputs["data"].tobytes()
        for seed in range(60)
    }
    assert len(crops) > 15  # 3 · 5 places, two directions


def test_mean_file_is_read_at_the_place_of_the_crop(tmp_path, images):
    write_images(tmp_path / "db", images)
    mean = np.arange(360, dtype=np.float32).reshape(3, 10, 12)
    blob = message("BlobProto")(num=1, channels=3, height=10, width=12, data=mean.ravel().tolist())
    (tmp_path / "mean.binaryproto").write_bytes(blob.SerializeToString())
    text = DATA.format('crop_size: 6 mean_file: "mean.binaryproto"')
    data = open_layer(layer(tmp_path, text), tmp_path)
    expected = (images[2] - mean)[:, 2:8, 3:9]
    assert np.allclose(data.read(np.array([2]), None).inputs["data"][0], expected)


def test_every_sample_and_the_mean_count_in_the_digest(tmp_path):
    """Of 200 entries any one may be replaced at equal size."""
    images = np.random.default_rng(0).integers(0, 256, (200, 3, 4, 4), np.uint8)
    written_mean(tmp_path, (3, 4, 4))
    text = DATA.format(f'mean_file: "{tmp_path}/mean.binaryproto"')
    digests = set()
    for number, position in enumerate((None, 1, 101, 199)):
        changed = images.copy()
        if position is not None:
            changed[position, 0, 0, 0] ^= 1
        folder = tmp_path / str(number)
        folder.mkdir()
        write_images(folder / "db", changed)
        digests.add(open_layer(layer(tmp_path, text), folder).digest())
    assert len(digests) == 4
    same = open_layer(layer(tmp_path, text), tmp_path / "3").digest()
    assert same in digests
    written_mean(tmp_path, (3, 4, 4), seed=4)
    assert open_layer(layer(tmp_path, text), tmp_path / "3").digest() not in digests


def test_image_list(tmp_path, images):
    for number, image in enumerate(images[:2]):
        Image.fromarray(image[::-1].transpose(1, 2, 0)).save(tmp_path / f"{number}.png")
    (tmp_path / "list.txt").write_text("0.png 4\n1.png 2\n")
    text = f'layer {{ name: "d" type: "ImageData" top: "data" top: "label" image_data_param {{ source: "list.txt" root_folder: "{tmp_path}/" batch_size: 1 }} }}'
    data = open_layer(layer(tmp_path, text), tmp_path)
    batch = data.read(np.array([0, 1]), None)
    assert np.array_equal(batch.inputs["data"], images[:2].astype(np.float32))
    assert batch.labels.tolist() == [4, 2]


def test_hdf5(tmp_path, monkeypatch):
    h5py = pytest.importorskip("h5py")
    monkeypatch.chdir(tmp_path)
    rows = np.random.default_rng(1).standard_normal((5, 2, 3, 3)).astype(np.float32)
    with h5py.File("a.h5", "w") as file:
        file["data"], file["label"] = rows, np.arange(5)
    (tmp_path / "files.txt").write_text("a.h5\n")
    text = 'layer { name: "d" type: "HDF5Data" top: "data" top: "label" hdf5_data_param { source: "files.txt" batch_size: 2 } }'
    batch = open_layer(layer(tmp_path, text), tmp_path).read(np.arange(5), None)
    assert np.array_equal(batch.inputs["data"], rows)
    assert batch.labels.tolist() == [0, 1, 2, 3, 4]


def test_messages(tmp_path, images):
    with pytest.raises(
        DataError, match=r"db: no such database \(layer 'd'\); paths in a prototxt start from"
    ):
        open_layer(layer(tmp_path, DATA.format("")), tmp_path)
    write_images(tmp_path / "db", images[:0])
    with pytest.raises(DataError, match=r"db: no samples \(layer 'd'\)"):
        open_layer(layer(tmp_path, DATA.format("")), tmp_path)


def test_image_smaller_than_its_crop(tmp_path, images):
    write_images(tmp_path / "small", images)
    text = DATA.format("crop_size: 11").replace('"db"', '"small"')
    data = open_layer(layer(tmp_path, text), tmp_path)
    with pytest.raises(DataError, match="an image of 10×12 is smaller than crop_size 11×11"):
        data.read(np.array([0]), None)


def test_mirrored_half_of_the_time(images):
    transform = Transform(1.0, (0, 0), True, np.zeros((1, 1, 1), np.float32))
    rng = np.random.default_rng(0)
    flips = [not np.array_equal(transform.apply(images[0], rng), images[0]) for _ in range(200)]
    assert 70 < sum(flips) < 130


def test_old_layers_state_the_transformation_in_their_data_param(tmp_path, images):
    write_images(tmp_path / "old", images)
    text = 'layers { name: "d" type: DATA top: "data" top: "label" data_param { source: "old" backend: LMDB batch_size: 2 scale: 0.5 crop_size: 8 mirror: true } }'
    data = open_layer(layer(tmp_path, text), tmp_path)
    assert (data.transform.scale, data.transform.crop, data.transform.mirror) == (0.5, (8, 8), True)
    assert data.read(np.array([0]), None).inputs["data"].shape == (1, 3, 8, 8)


@pytest.mark.parametrize(
    ("param", "channels"), [("", 1), ("force_color: true", 3), ("force_gray: true", 1)]
)
def test_encoded_images_keep_their_channels_unless_told(tmp_path, images, param, channels):
    database = tmp_path / f"grey{channels}{len(param)}"
    write_lmdb(database, [encoded_datum(png(images[0, 0]), 1)])
    text = DATA.format(param).replace('"db"', f'"{database.name}"')
    batch = open_layer(layer(tmp_path, text), tmp_path).read(np.array([0]), None)
    assert np.array_equal(batch.inputs["data"][0], np.repeat(images[:1, 0], channels, 0))


@pytest.mark.opencv
@pytest.mark.parametrize("size", [(5, 6), (9, 24), (31, 7), (10, 12), (1, 1)])
def test_resize_equals_opencv(images, size):
    cv2 = pytest.importorskip("cv2")
    for image in images:
        wanted = cv2.resize(image.transpose(1, 2, 0), size[::-1], interpolation=cv2.INTER_LINEAR)
        found = resize(image, size).transpose(1, 2, 0).astype(int)
        assert np.abs(found - wanted).max() <= 1


def written_mean(folder, shape=(3, 10, 12), seed=3):
    mean = np.random.default_rng(seed).random(shape).astype(np.float32) * 100
    sizes = dict(zip(("channels", "height", "width"), shape, strict=True))
    blob = message("BlobProto")(num=1, data=mean.ravel().tolist(), **sizes)
    (folder / "mean.binaryproto").write_bytes(blob.SerializeToString())
    return f"{folder}/mean.binaryproto"


@pytest.mark.caffe
def test_batches_equal_real_caffe(tmp_path, images, caffe):
    """TEST-phase batches of a real Data layer: crop, mean image, scale."""
    write_images(tmp_path / "real", images)
    text = DATA.format(f'crop_size: 7 scale: 0.25 mean_file: "{written_mean(tmp_path)}"')
    text = text.replace('"db"', f'"{tmp_path}/real"').replace("batch_size: 2", "batch_size: 7")
    found = first_batch(tmp_path, caffe, text)
    batch = open_layer(layer(tmp_path, text), tmp_path).read(np.arange(7), None)
    assert np.allclose(batch.inputs["data"], found["data"], atol=1e-4)
    assert batch.labels.tolist() == found["label"].tolist()


@pytest.mark.caffe
def test_training_batches_of_real_caffe_are_among_ours(tmp_path, images, caffe):
    """Random crop and mirroring in TRAIN: each of Caffe's samples is one that we can draw, and the
    draws of both reach many places."""
    write_images(tmp_path / "train", np.concatenate([images] * 8))
    text = DATA.format(
        f'crop_size: 9 mirror: true scale: 0.5 mean_file: "{written_mean(tmp_path)}"'
    )
    text = text.replace('"db"', f'"{tmp_path}/train"').replace("batch_size: 2", "batch_size: 56")
    found = first_batch(tmp_path, caffe, text, "TRAIN")
    data = open_layer(layer(tmp_path, text), tmp_path)
    ours = [
        data.read(np.arange(56), np.random.default_rng(seed)).inputs["data"] for seed in range(200)
    ]
    places = []
    for number in range(56):
        drawn = np.stack([batch[number] for batch in ours])
        assert len({one.tobytes() for one in drawn}) == 16  # 2 · 4 places, two directions
        errors = np.abs(drawn - found["data"][number]).max((1, 2, 3))
        assert errors.min() <= 1e-4
        places.append(found["data"][number].tobytes())
    assert len(set(places)) > 30


@pytest.mark.caffe
def test_image_lists_equal_real_caffe(tmp_path, images, caffe):
    for number, image in enumerate(images):
        Image.fromarray(image[::-1].transpose(1, 2, 0)).save(tmp_path / f"{number}.png")
    (tmp_path / "list.txt").write_text("".join(f"{n}.png {n % 4}\n" for n in range(7)))
    text = (
        'layer { name: "d" type: "ImageData" top: "data" top: "label" transform_param { crop_size: 6 mean_value: 9 }'
        f' image_data_param {{ source: "{tmp_path}/list.txt" root_folder: "{tmp_path}/" batch_size: 7'
        " new_height: 8 new_width: 15 } }"
    )
    found = first_batch(tmp_path, caffe, text)
    batch = open_layer(layer(tmp_path, text), tmp_path).read(np.arange(7), None)
    assert np.abs(batch.inputs["data"] - found["data"]).max() <= 1  # of 255, from the resizing
    assert batch.labels.tolist() == found["label"].tolist()


@pytest.mark.caffe
def test_hdf5_equals_real_caffe(tmp_path, caffe):
    h5py = pytest.importorskip("h5py")
    rows = np.random.default_rng(1).standard_normal((5, 2, 3, 3)).astype(np.float32)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["data"], file["label"] = rows, np.arange(5, dtype=np.float32)
    (tmp_path / "files.txt").write_text(f"{tmp_path}/a.h5\n")
    text = f'layer {{ name: "d" type: "HDF5Data" top: "data" top: "label" hdf5_data_param {{ source: "{tmp_path}/files.txt" batch_size: 5 }} }}'
    found = first_batch(tmp_path, caffe, text)
    batch = open_layer(layer(tmp_path, text), tmp_path).read(np.arange(5), None)
    assert np.array_equal(batch.inputs["data"], found["data"])
    assert batch.labels.tolist() == found["label"].tolist()


def write_level(path, images):
    pytest.importorskip("plyvel")
    write_leveldb(path, (datum(image, number % 3) for number, image in enumerate(images)))


LEVEL = DATA.replace("LMDB", "LEVELDB")


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_leveldb_is_read_and_left_as_it_is(tmp_path, images):
    write_level(tmp_path / "db", images)
    before = contents(tmp_path / "db")
    assert any(name.endswith(".ldb") for name in before)
    data = open_layer(layer(tmp_path, LEVEL.format("")), tmp_path)
    batch = data.read(np.array([4, 1]), None)
    assert np.array_equal(batch.inputs["data"], images[[4, 1]].astype(np.float32))
    assert (len(data), batch.labels.tolist()) == (7, [1, 1])
    assert contents(tmp_path / "db") == before


def test_digests_tell_databases_apart(tmp_path, images):
    write_level(tmp_path / "db", images)
    write_images(tmp_path / "lm", images)
    other = images.copy()
    other[3, 0, 0, 0] ^= 1
    write_level(tmp_path / "other", other)
    names = ("db", "lm", "other")
    first, same, third = (open_database(tmp_path / name, "d").digest() for name in names)
    assert first == same != third


def test_damaged_leveldbs(tmp_path, images):
    write_level(tmp_path / "cut", images)
    for table in (tmp_path / "cut").glob("*.ldb"):
        table.write_bytes(table.read_bytes()[:100])
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty/CURRENT").write_bytes(b"x")
    for name in ("cut", "empty"):
        with pytest.raises(DataError, match=rf"{name}: not a readable LevelDB \(") as error:
            open_database(tmp_path / name, "d")
        assert len(str(error.value).replace(str(tmp_path), "")) < 200


def test_leveldb_without_plyvel(tmp_path, monkeypatch):
    (tmp_path / "none").mkdir()
    (tmp_path / "none/CURRENT").write_bytes(b"x")
    monkeypatch.setitem(sys.modules, "plyvel", None)
    with pytest.raises(DataError) as error:
        open_database(tmp_path / "none", "d")
    assert str(error.value) == (
        f"{tmp_path}/none: reading a LevelDB needs plyvel; install it with: "
        "pip install 'prunus-caffe[leveldb]', or give --data"
    )


@pytest.mark.caffe
def test_leveldb_equals_real_caffe(tmp_path, images, caffe):
    write_level(tmp_path / "real", images)
    text = LEVEL.format("crop_size: 7 scale: 0.25")
    text = text.replace('"db"', f'"{tmp_path}/real"').replace("batch_size: 2", "batch_size: 7")
    batch = open_layer(layer(tmp_path, text), tmp_path).read(np.arange(7), None)
    found = first_batch(tmp_path, caffe, text)
    assert np.allclose(batch.inputs["data"], found["data"], atol=1e-4)
    assert batch.labels.tolist() == found["label"].tolist()


def test_a_database_that_ends_early_is_refused(tmp_path):
    """LMDB maps the file: reading behind its end would kill the process."""
    pixels = np.zeros((1, 40, 40), np.uint8)
    write_lmdb(tmp_path / "whole", [datum(pixels, 0)] * 40)
    data = (tmp_path / "whole/data.mdb").read_bytes()
    (tmp_path / "cut").mkdir()
    (tmp_path / "cut/data.mdb").write_bytes(data[: len(data) // 2])
    with pytest.raises(DataError) as caught:
        open_database(tmp_path / "cut", "data").digest()
    assert str(caught.value) == f"{tmp_path}/cut: not a readable LMDB (it ends early)"


def damaged_database(tmp_path, change):
    """An LMDB with values on pages of their own, and ``change(data, place of a key)`` made to its file."""
    write_lmdb(tmp_path / "db", [datum(np.zeros((1, 99, 99), np.uint8), 0)] * 9)
    file = tmp_path / "db/data.mdb"
    data = bytearray(file.read_bytes())
    change(data, data.index(b"00000005"))
    file.write_bytes(data)
    with pytest.raises(DataError) as caught:
        open_database(tmp_path / "db", "data").digest()
    return str(caught.value).replace(str(tmp_path), "")


def huge_value(data, key):
    data[key - 8 : key - 4] = b"\xff" * 4  # the size of the value, before flags and key size


def test_a_database_that_crashes_liblmdb_is_refused(tmp_path):
    found = damaged_database(tmp_path, huge_value)
    assert found == "/db: not a readable LMDB (damaged: reading it crashes liblmdb)"


def later_key(data, key):
    data[key : key + 8] = b"00000099"


def test_a_database_with_keys_out_of_order_is_refused(tmp_path):
    found = damaged_database(tmp_path, later_key)
    assert found == "/db: not a readable LMDB (damaged: its keys are not in order)"


def test_a_database_that_did_not_change_is_walked_through_once(tmp_path, images, monkeypatch):
    write_images(tmp_path / "db", images)
    open_database(tmp_path / "db", "data")
    _opened.cache_clear()
    with monkeypatch.context() as patch:
        patch.setattr(child.subprocess, "run", None)
        assert len(open_database(tmp_path / "db", "data")) == len(images)


def test_an_entry_with_other_numbers_than_its_shape_says(tmp_path):
    wrong = datum(np.zeros((1, 4, 4), np.uint8), 0)
    wrong.channels = 0
    write_lmdb(tmp_path / "db", [wrong])
    with pytest.raises(DataError) as caught:
        open_database(tmp_path / "db", "data").sample(0)
    assert str(caught.value) == f"{tmp_path}/db: entry 0: 16 numbers for 0×4×4"
