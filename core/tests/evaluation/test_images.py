from __future__ import annotations

import builtins

import numpy as np
import onnx_ir as ir
import pytest

from prunus.errors import DataError
from prunus.evaluation.data import open_data
from prunus.testing.nets import as_network
from prunus.testing.nets.builder import Builder

Image = pytest.importorskip("PIL.Image")


def network(channels=3, size=4):
    b = Builder(0)
    return as_network(b.model(b.conv(b.input(channels, size), 2)))


def paint(path, colour, size=(4, 4)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)


def read(data, *positions):
    return data.read(np.array(positions, np.int64), None)


@pytest.fixture
def folder(tmp_path):
    paint(tmp_path / "d/cat/b.png", (10, 20, 30))
    paint(tmp_path / "d/cat/a.PNG", (40, 50, 60), (9, 7))
    paint(tmp_path / "d/dog/c.bmp", (70, 80, 90))
    (tmp_path / "d/dog/notes.txt").write_text("no image")
    return tmp_path / "d"


def test_one_folder_a_class(folder):
    data = open_data(str(folder), network())
    assert [path.name for path in data.images.paths] == ["a.PNG", "b.png", "c.bmp"]
    batch = read(data, 2, 0)
    assert batch.labels.tolist() == [1, 0]
    assert batch.inputs["data"].shape == (2, 3, 4, 4)
    assert batch.inputs["data"][:, :, 0, 0].tolist() == [[70, 80, 90], [40, 50, 60]]


def test_the_transformation_is_in_the_networks_own_order(folder):
    data = open_data(f"{folder}:mean=1/2/3,scale=0.5,channels=bgr", network())
    assert read(data, 1).inputs["data"][0, :, 0, 0].tolist() == [14.5, 9, 3.5]


def test_grey_and_channels_last(folder):
    grey = read(open_data(str(folder), network(1)), 1).inputs["data"]
    assert grey.shape == (1, 1, 4, 4)
    assert grey[0, 0, 0, 0] == round(0.299 * 10 + 0.587 * 20 + 0.114 * 30)
    net = network()
    net.model.graph.inputs[0].shape = ir.Shape(["N", 4, 5, 3])
    last = read(open_data(str(folder), net), 1).inputs["data"]
    assert last.shape == (1, 4, 5, 3)
    assert last[0, 0, 0].tolist() == [10, 20, 30]


def test_a_folder_without_classes_has_no_labels(folder):
    data = open_data(str(folder / "cat"), network())
    assert len(data) == 2
    assert read(data, 0).labels is None


def test_lists_with_and_without_labels(folder):
    (folder / "list.txt").write_text("cat/a.PNG 3\n\ndog/c.bmp 0\n")
    data = open_data(str(folder / "list.txt"), network())
    assert read(data, 0, 1).labels.tolist() == [3, 0]
    (folder / "bare.txt").write_text("cat/a.PNG\n")
    assert read(open_data(str(folder / "bare.txt"), network()), 0).labels is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cat/a.PNG 1\ncat/x.png 2\n", ":2: no image 'cat/x.png' beside the list"),
        ("cat/a.PNG \u00b2\n", ":1: no image 'cat/a.PNG ²' beside the list"),
        ("cat/a.PNG 1\n\0\n", ":2: no image '\\x00' beside the list"),
        (f"{'a' * 5000}\n", f":1: no image '{'a' * 100}…' beside the list"),
        ("cat/a.PNG 99999999999999999999\n", ":1: no image 'cat/a.PNG 99999999999999999999' beside the list"),
        ("", ": no images; give a folder with one sub-folder a class, or a list file"),
    ],
)  # fmt: skip
def test_bad_lists(folder, text, message):
    (folder / "list.txt").write_text(text)
    with pytest.raises(DataError) as caught:
        open_data(str(folder / "list.txt"), network())
    assert str(caught.value) == f"{folder / 'list.txt'}{message}"


def test_a_list_that_is_no_text(folder):
    (folder / "list.txt").write_bytes(b"cat/a.PNG\ncat/\xff.png\n")
    with pytest.raises(DataError) as caught:
        open_data(str(folder / "list.txt"), network())
    assert str(caught.value) == (
        f"{folder / 'list.txt'}:2: not UTF-8 text; a list holds one image path a line"
    )
    (folder / "folder.txt").mkdir()
    with pytest.raises(DataError, match="no images"):
        open_data(str(folder / "folder.txt"), network())


def test_pixels_replaced_at_equal_size_are_seen(folder):
    path = folder / "dog/c.bmp"
    first, size = open_data(str(folder), network()).digest(), path.stat().st_size
    paint(path, (70, 80, 91))
    assert path.stat().st_size == size
    assert open_data(str(folder), network()).digest() != first


def test_files_that_are_no_images(folder):
    (folder / "cat/b.png").write_bytes(b"\x89PNG but no more")
    with pytest.raises(DataError, match=r"b\.png: not a readable image \("):
        read(open_data(str(folder), network()), 1)


def test_inputs_that_take_no_images(folder, build):
    net = build([("Relu", ["x"], ["y"], {})], {"w": np.ones(1)}, {"x": (7,)}, {"y": (7,)})
    with pytest.raises(DataError) as caught:
        open_data(str(folder), net)
    assert str(caught.value) == f"{folder}: input 'x' of shape (7,) takes no images"


def test_without_pillow(folder, monkeypatch):
    data = open_data(str(folder), network())
    own = builtins.__import__

    def missing(name, *arguments):
        if name == "PIL":
            raise ImportError(name)
        return own(name, *arguments)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(DataError) as caught:
        read(data, 0)
    assert str(caught.value) == "reading images needs Pillow; install it with: pip install pillow"


def test_the_digest_tells_image_sets_apart(folder):
    first = open_data(str(folder), network()).digest()
    assert open_data(str(folder), network()).digest() == first
    assert open_data(f"{folder}:scale=2", network()).digest() != first
    paint(folder / "dog/d.png", (1, 1, 1))
    assert open_data(str(folder), network()).digest() != first


def test_hidden_folders_are_no_classes(folder):
    paint(folder / ".cache/x.png", (0, 0, 0))
    assert read(open_data(str(folder), network()), 0, 1, 2).labels.tolist() == [0, 0, 1]


def test_lists_with_some_labels(folder):
    names = folder / "list.txt"
    names.write_text("cat/b.png 0\ndog/c.bmp\n")
    with pytest.raises(DataError) as caught:
        open_data(str(names), network())
    assert str(caught.value) == (
        f"{names}:2: no label, unlike the lines before; give every line one, or none"
    )
