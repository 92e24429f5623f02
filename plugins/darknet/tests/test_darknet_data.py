from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from prunus.errors import DataError
from prunus.evaluation.data import open_data as core_data
from prunus.evaluation.session import Session
from prunus.network import Network, Source
from prunus.task import Batch
from prunus_darknet.data import ClassifierDataset, DetectorDataset, open_data
from prunus_darknet.datasets.data_file import read_data_file
from prunus_darknet.datasets.images import (
    center_crop_image,
    load_image,
    min_crop_image,
    resize_image,
)
from prunus_darknet.datasets.preprocessing import WHOLE
from prunus_darknet.datasets.truth import (
    class_of,
    corrected,
    label_paths,
    placed,
    read_boxes,
    training_boxes,
)
from prunus_darknet.read import load
from prunus_darknet.testing.real_images import RealImages

CONV = "[convolutional]\nfilters=14\nsize=1\nstride=1\nactivation=linear\n"
YOLO = "[yolo]\nmask=0,1\nanchors=4,4, 8,8\nnum=2\nclasses=2\njitter=.3\n"
PLAIN = "[convolutional]\nfilters=2\nsize=1\nstride=1\nactivation=linear\n[avgpool]\n[softmax]\n"


def network(make_files, layers: str, net: str = "") -> Network:
    model, weights = make_files(layers, h=16, w=24, net=net)
    return load(Source(model, weights))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two images with boxes, lists with paths relative to the .data file."""
    root = tmp_path / "set"
    (root / "images").mkdir(parents=True)
    (root / "labels").mkdir()
    rng = np.random.default_rng(0)
    for name, size in (("a_cat", (40, 20)), ("b_dog", (20, 30))):
        pixels = (rng.random((size[1], size[0], 3)) * 255).astype(np.uint8)
        Image.fromarray(pixels).save(root / "images" / f"{name}.png")
    (root / "labels/a_cat.txt").write_text("0 0.5 0.5 0.25 0.5\n1 0.2 0.3 0.1 0.1\n")
    (root / "labels/b_dog.txt").write_text("")
    (root / "train.txt").write_text("images/a_cat.png\nimages/b_dog.png\n")
    (root / "valid.txt").write_text("images/a_cat.png\r\n\nimages/b_dog.png\n")
    (root / "names").write_text("cat\ndog\n")
    (root / "x.data").write_text(
        "# comment\nclasses = 2\ntrain=train.txt\nvalid = valid.txt\nnames=names\ntop=2\n"
    )
    return root


def opened(folder: Path, net: Network, training: bool = False):
    dataset = open_data(str(folder / "x.data"), net, training)
    assert dataset is not None
    return dataset


def read(dataset, *positions: int, seed: int | None = None) -> Batch:
    rng = None if seed is None else np.random.default_rng(seed)
    return dataset.read(np.array(positions), rng)


def message(function, *arguments) -> str:
    with pytest.raises(DataError) as caught:
        function(*arguments)
    text = str(caught.value)
    assert "\n" not in text
    return text


def test_other_specifications_are_not_ours(make_files) -> None:
    assert open_data("samples.npz", network(make_files, CONV + YOLO), False) is None


def test_letterboxed_boxes_follow_their_image(folder: Path, make_files) -> None:
    dataset = opened(folder, network(make_files, CONV + YOLO))
    assert isinstance(dataset, DetectorDataset)
    assert dataset.description.path == folder / "x.data"
    assert dataset.list_file == folder / "valid.txt"
    batch = read(dataset, 0, 1)
    assert batch.inputs["data"].shape == (2, 3, 16, 24)
    # 40x20 into 24x16: 24x12, two rows of grey above
    assert (batch.inputs["data"][0, :, :2] == 0.5).all()
    expected = [[0, 0.5, 0.5, 0.25, 0.375], [1, 0.2, 0.125 + 0.3 * 0.75, 0.1, 0.075]]
    np.testing.assert_allclose(batch.labels[0], expected, atol=1e-6)
    assert batch.labels[1].shape == (0, 5)


def test_yolov1_sees_stretched_images(folder: Path, make_files) -> None:
    """``examples/yolo.c`` resizes; its boxes are not corrected for a letterbox."""
    head = "[connected]\noutput=28\nactivation=linear\n[detection]\nclasses=2\nside=2\nnum=1\n"
    net = network(make_files, CONV + head.replace("num=1\n", "num=1\ncoords=4\n"))
    batch = read(opened(folder, net), 0)
    assert batch.labels[0][0].tolist() == [0, 0.5, 0.5, 0.25, 0.5]
    picture = load_image(folder / "images/a_cat.png", 3, "")
    np.testing.assert_array_equal(batch.inputs["data"][0], resize_image(picture, 24, 16))


def test_alexeyab_resizes_unless_letter_box(folder: Path, make_files) -> None:
    net = network(make_files, CONV + YOLO, "mosaic=0\n")
    image = load_image(folder / "images/a_cat.png", 3, "x")
    batch = read(opened(folder, net), 0)
    np.testing.assert_array_equal(batch.inputs["data"][0], resize_image(image, 24, 16))
    np.testing.assert_allclose(batch.labels[0][0], [0, 0.5, 0.5, 0.25, 0.5], atol=1e-6)
    boxed = read(opened(folder, network(make_files, CONV + YOLO, "letter_box=1\n")), 0)
    np.testing.assert_allclose(boxed.labels[0][0], [0, 0.5, 0.5, 0.25, 0.375], atol=1e-6)


def test_training_samples_depend_on_the_generator_alone(folder: Path, make_files) -> None:
    net = network(make_files, CONV + YOLO, "saturation=1.5\nexposure=1.5\nhue=.1\n")
    dataset = opened(folder, net, training=True)
    first, again, other = (read(dataset, 0, 1, seed=seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first.inputs["data"], again.inputs["data"])
    np.testing.assert_array_equal(first.labels[0], again.labels[0])
    assert not np.array_equal(first.inputs["data"], other.inputs["data"])


def test_missing_label_files(folder: Path, make_files) -> None:
    (folder / "labels/b_dog.txt").unlink()
    alexeyab = opened(folder, network(make_files, CONV + YOLO, "mosaic=0\n"))
    assert read(alexeyab, 1).labels[0].shape == (0, 5)
    pjreddie = opened(folder, network(make_files, CONV + YOLO))
    assert message(read, pjreddie, 1) == (
        f"{folder}/valid.txt:3: label file labels/b_dog.txt not found, neither from "
        f"the current directory nor from {folder}; an image without objects has an empty one"
    )


@pytest.mark.parametrize("extra", ["", "mosaic=0\n"])
def test_images_without_any_label_file_have_no_labels(folder: Path, make_files, extra) -> None:
    shutil.rmtree(folder / "labels")
    dataset = opened(folder, network(make_files, CONV + YOLO, extra), training=True)
    assert read(dataset, 0, 1).labels is None
    assert read(dataset, 1, seed=0).labels is None
    assert dataset.digest() == dataset.digest()


def test_missing_image(folder: Path, make_files) -> None:
    (folder / "images/b_dog.png").unlink()
    dataset = opened(folder, network(make_files, CONV + YOLO))
    assert message(read, dataset, 1) == (
        f"{folder}/valid.txt:3: image images/b_dog.png not found, neither from the current "
        f"directory nor from {folder}"
    )


def test_broken_labels(folder: Path, make_files) -> None:
    dataset = opened(folder, network(make_files, CONV + YOLO))
    label = folder / "labels/a_cat.txt"
    label.write_text("0 .5 .5 .1 .1\n2 0.5 0.5 0.25 0.5\n")
    assert message(read, dataset, 0) == f"{label}:2: class 2, but {folder}/x.data has classes=2"
    for line in ("0 0.5 0.5 0.25", "cat 0.5 0.5 0.25 0.5", "0 0.5 nan 0.25 0.5", "0 1 2 3 4 5"):
        label.write_text(line)
        assert message(read, dataset, 0) == (
            f"{label}:1: expected 'class x y width height', found {line!r}"
        )


def test_classes_that_do_not_fit(folder: Path, make_files) -> None:
    net = network(make_files, CONV + YOLO)
    data = folder / "x.data"
    data.write_text("train=train.txt\nclasses=3\nvalid=valid.txt\n")
    assert message(opened, folder, net) == (
        f"{data}:2: classes=3, but yolo layer 1 of the network has classes=2"
    )
    data.write_text("classes=none\nvalid=valid.txt\n")
    assert message(opened, folder, net) == (
        f"{data}:1: classes=none: expected a whole number from 1"
    )


def test_data_files_and_lists_that_cannot_be_used(folder: Path, make_files) -> None:
    net = network(make_files, CONV + YOLO)
    data = folder / "x.data"
    data.write_text("classes=2\nno equals sign\n")
    assert message(opened, folder, net) == (
        f"{data}:2: expected key = value, found 'no equals sign'"
    )
    data.write_text("classes=2\n")
    assert message(opened, folder, net) == f"{data}: no valid= line; it names a file"
    data.write_text("classes=2\nvalid=gone.txt\n")
    assert message(opened, folder, net) == (
        f"{data}:2: valid=gone.txt: no such file, neither from the current directory "
        f"nor from {folder}"
    )
    data.write_text("valid=empty.txt\n")
    (folder / "empty.txt").write_text("\n\n")
    assert message(opened, folder, net) == (
        f"{folder}/empty.txt: the list is empty; it holds one image path a line"
    )
    data.write_bytes(b"a=\0")
    assert message(opened, folder, net) == f"{data}: not a text file"
    data.unlink()
    assert message(opened, folder, net) == f"{data}: cannot be read (No such file or directory)"


def test_the_current_directory_comes_first(folder: Path, tmp_path: Path, monkeypatch) -> None:
    description = read_data_file(folder / "x.data")
    assert description.file("valid") == folder / "valid.txt"
    (tmp_path / "valid.txt").write_text("elsewhere")
    monkeypatch.chdir(tmp_path)
    assert description.file("valid") == Path("valid.txt")
    assert description.top == 2


def test_classes_come_from_paths(folder: Path, make_files) -> None:
    net = network(make_files, PLAIN)
    dataset = opened(folder, net)
    assert isinstance(dataset, ClassifierDataset)
    batch = read(dataset, 1, 0)
    assert batch.labels.tolist() == [1, 0]
    assert batch.labels.dtype == np.int64
    image = load_image(folder / "images/b_dog.png", 3, "x")
    np.testing.assert_array_equal(batch.inputs["data"][0], center_crop_image(image, 24, 16))
    alexeyab = opened(folder, network(make_files, PLAIN, "mosaic=0\n"))
    np.testing.assert_array_equal(
        read(alexeyab, 1).inputs["data"][0], min_crop_image(image, 24, 16)
    )
    training = opened(folder, net, training=True)
    assert read(training, 0, seed=0).inputs["data"].shape == (1, 3, 16, 24)


def test_paths_without_one_label(folder: Path, make_files) -> None:
    net = network(make_files, PLAIN)
    (folder / "names").write_text("a_\ncat\n")
    assert read(opened(folder, net), 0).labels.tolist() == [0]
    assert message(read, opened(folder, net, True), 0) == (
        f"{folder}/train.txt:1: labels 'a_' and 'cat' are both part of the path images/a_cat.png"
    )
    assert message(read, opened(folder, net), 1) == (
        f"{folder}/valid.txt:3: no label is part of the path images/b_dog.png"
    )


def test_label_files_that_cannot_be_used(folder: Path, make_files) -> None:
    net = network(make_files, PLAIN)
    names, data = folder / "names", folder / "x.data"
    names.write_text("cat\n\n\n")
    assert message(opened, folder, net) == (f"{data}:2: classes=2, but {names} holds 1 labels")
    names.write_text("cat\n\ndog\n")
    assert message(opened, folder, net) == f"{names}:2: empty label; every path would match it"
    names.write_text("\n")
    assert message(opened, folder, net) == f"{names}: no labels; it holds one label a line"
    data.write_text("valid=valid.txt\n")
    assert message(opened, folder, net) == f"{data}: no names= line; it names a file"


def test_digests_tell_samples_apart(folder: Path, make_files) -> None:
    net = network(make_files, CONV + YOLO)
    first = opened(folder, net).digest()
    assert opened(folder, net).digest() == first
    assert opened(folder, network(make_files, CONV + YOLO, "mosaic=0\n")).digest() != first
    (folder / "labels/b_dog.txt").write_text("0 .5 .5 .1 .1\n")
    labelled = opened(folder, net).digest()
    assert labelled != first
    replaced = Image.open(folder / "images/a_cat.png").transpose(Image.Transpose.ROTATE_180)
    replaced.save(folder / "images/a_cat.png")
    assert opened(folder, net).digest() != labelled


HEAD = (
    "[connected]\noutput=28\nactivation=linear\n[detection]\nclasses=2\nside=2\nnum=1\ncoords=4\n"
)


@pytest.mark.parametrize(
    ("layers", "net"),
    [
        (CONV + YOLO, ""),
        (CONV + YOLO, "mosaic=0\n"),
        (CONV + YOLO, "letter_box=1\n"),
        (CONV + HEAD, ""),
        (PLAIN, ""),
        (PLAIN, "mosaic=0\n"),
    ],
)
def test_a_folder_equals_the_data_file(folder: Path, make_files, layers, net) -> None:
    """A folder, a list and an array of bytes reach the network as the ``.data`` file's images."""
    loaded = network(make_files, layers, net)
    wanted = read(opened(folder, loaded), 0, 1).inputs["data"]
    (folder / "both.txt").write_text("images/a_cat.png\nimages/b_dog.png\n")
    for spec in (folder / "images", folder / "both.txt"):
        found = read(core_data(str(spec), loaded), 0, 1).inputs["data"]
        np.testing.assert_allclose(found, wanted, rtol=0, atol=2e-7)
    pixels = np.asarray(Image.open(folder / "images/b_dog.png"))
    np.savez(folder / "b.npz", x=pixels[None])
    found = read(core_data(str(folder / "b.npz"), loaded), 0).inputs["data"]
    np.testing.assert_allclose(found[0], wanted[1], rtol=0, atol=2e-7)


@pytest.mark.darknet
def test_a_folder_equals_the_darknet_library(folder: Path, make_files, darknet: Path) -> None:
    real = RealImages(darknet)
    for layers, function in ((CONV + YOLO, "letterbox_image"), (PLAIN, "center_crop_image")):
        data = core_data(str(folder / "images"), network(make_files, layers))
        for position, name in enumerate(("a_cat", "b_dog")):
            shown = real.give(function, real.load(folder / f"images/{name}.png"), 24, 16)
            found = read(data, position).inputs["data"][0]
            np.testing.assert_allclose(found, shown, rtol=0, atol=1e-5)


def test_where_labels_lie() -> None:
    assert label_paths("set/images/a.jpg", False) == ("set/labels/a.txt",)
    assert label_paths("VOC/JPEGImages/a.JPG", False) == ("VOC/labels/a.txt",)
    assert label_paths("set/images/a.jpg", True) == ("set/labels/a.txt", "set/images/a.txt")
    assert label_paths("obj/a.jpg", True) == ("obj/a.txt",)


def test_corrected_boxes_are_cut_and_mirrored() -> None:
    boxes = np.array([[0, 0.9, 0.5, 0.4, 0.2], [1, 1.5, 0.5, 0.2, 0.2]], np.float32)
    np.testing.assert_allclose(corrected(boxes, False), [[0, 0.85, 0.5, 0.3, 0.2]], atol=1e-6)
    np.testing.assert_allclose(corrected(boxes, True), [[0, 0.15, 0.5, 0.3, 0.2]], atol=1e-6)
    assert placed(boxes, WHOLE).tolist() == boxes.tolist()


def test_networks_without_images(tmp_path: Path, make_files, folder: Path) -> None:
    model, weights = make_files(PLAIN)
    model.write_text("[net]\ninputs=12\n[connected]\noutput=2\nactivation=linear\n[softmax]\n")
    from prunus_darknet.cfg import read_cfg
    from prunus_darknet.testing.random_weights import write_random_weights

    write_random_weights(read_cfg(model), weights, 0)
    assert message(opened, folder, load(Source(model, weights))) == (
        f"{model}: [net] has inputs=, this network reads no images"
    )


@pytest.mark.darknet
@pytest.mark.parametrize("flip", [False, True])
def test_training_boxes_equal_darknet(darknet: Path, folder: Path, flip: bool) -> None:
    rng = np.random.default_rng(5)
    rows = [(i, *rng.uniform(0, 1, 2), *rng.uniform(0.0005, 0.9, 2)) for i in range(20)]
    rows += [(20, 0, 0, 0.5, 0.5), (21, 0, 0.5, 0.5, 0.5), (22, 0.5, 0.5, 0.0004, 0.5)]
    label = folder / "labels/a_cat.txt"
    label.write_text("".join(" ".join(map(str, row)) + "\n" for row in rows))
    left, top, width, height = 0.1, -0.2, 0.7, 1.3
    image = folder / "images/a_cat.png"
    real = RealImages(darknet).boxes(image, 90, flip, (-left, -top), (width, height))
    boxes = training_boxes(read_boxes(label, None, "x"), (left, top, width, height), flip)
    far = real[:, 1] > 1  # what Darknet makes of a centre at (0, 0): a box at 999999
    assert real[far, 0].tolist() == [20]
    real = real[~far]
    order = real[:, 0].argsort()
    np.testing.assert_allclose(boxes, real[order], rtol=0, atol=1e-6)
    assert 15 < len(boxes) < len(rows)


@pytest.mark.darknet
@pytest.mark.skipif(shutil.which("darknet") is None, reason="the darknet program is missing")
def test_validation_equals_the_darknet_program(tmp_path: Path, make_files, monkeypatch) -> None:
    """Scores and classes ``darknet classifier valid`` prints for images of many sizes."""
    rng = np.random.default_rng(1)
    lines = []
    for i in range(12):
        height, width = rng.integers(13, 40, 2)
        name = f"v{i}_{('red', 'blue', 'grey')[i % 3]}.png"
        pixels = rng.integers(0, 255, (height, width, 3)).astype(np.uint8)
        pixels[..., i % 2] //= 4
        Image.fromarray(pixels).save(tmp_path / name)
        lines.append(name + "\n")
    (tmp_path / "valid.txt").write_text("".join(lines))
    (tmp_path / "labels").write_text("red\nblue\ngrey\n")
    (tmp_path / "x.data").write_text("classes=3\nvalid=valid.txt\nlabels=labels\ntop=2\n")
    model, weights = make_files(PLAIN.replace("filters=2", "filters=3"), h=16, w=16)
    monkeypatch.chdir(tmp_path)
    command = ["darknet", "classifier", "valid", "x.data", model.name, weights.name]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    printed = [line.split(", ") for line in done.stdout.splitlines() if line.startswith("v")]
    net = load(Source(model, weights))
    batch = open_data("x.data", net, False).read(np.arange(12), None)
    assert [int(row[1]) for row in printed] == batch.labels.tolist()
    (scores,) = Session(net.model).run(batch.inputs).values()
    real = np.array([[float(value) for value in row[2:4]] for row in printed])
    np.testing.assert_allclose(scores[:, :2], real, rtol=0, atol=2e-6)


@pytest.mark.shared
def test_shared_detection_sets(make_files) -> None:
    checkout = Path(__file__).resolve().parents[3]
    root = Path(os.environ.get("PRUNUS_SHARED", checkout.parent / "shared")) / "data/datasets"
    if not (root / "bccd/bccd.data").exists():
        pytest.skip("shared data sets are missing (set PRUNUS_SHARED)")
    layers = CONV.replace("14", "16") + YOLO.replace("classes=2", "classes=3")
    model, weights = make_files(layers, h=64, w=64)
    net = load(Source(model, weights))
    valid = open_data(str(root / "bccd/bccd.data"), net, False)
    train = open_data(str(root / "bccd/bccd.data"), net, True)
    assert (len(valid), len(train)) == (72, 292)
    batch = train.read(np.arange(8), np.random.default_rng(0))
    assert batch.inputs["data"].shape == (8, 3, 64, 64)
    assert sum(len(boxes) for boxes in batch.labels) > 8
    boxes = np.concatenate(list(valid.read(np.arange(8), None).labels))
    assert ((boxes[:, 1:] > 0) & (boxes[:, 1:] <= 1)).all()
    assert set(boxes[:, 0]) <= {0, 1, 2}


def test_functions_taken_alone(tmp_path: Path) -> None:
    assert class_of("x/cat1.png", ("cat", "cat1"), "l:1", False) == 0
    path = tmp_path / "a.txt"
    path.write_text("1 .5 .5 .1 .1\n\n")
    assert read_boxes(path, None, "x").shape == (1, 5)
