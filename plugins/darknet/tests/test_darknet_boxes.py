"""Decoded boxes and suppression: the real Darknet's own, OpenCV's for the AlexeyAB fork."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from prunus.evaluation.session import Session
from prunus.network import Network, Source
from prunus_darknet.boxes.decode import predictions
from prunus_darknet.boxes.detections import in_image
from prunus_darknet.boxes.head import heads_of
from prunus_darknet.boxes.iou import iou
from prunus_darknet.boxes.suppression import (
    OVERLAP,
    Boxes,
    Candidates,
    candidates,
    detect,
    suppressed,
)
from prunus_darknet.cfg import parse_cfg, read_cfg
from prunus_darknet.datasets.images import letterbox_image, load_image, resize_image
from prunus_darknet.read import load
from prunus_darknet.testing.random_weights import small, write_random_weights
from prunus_darknet.testing.real_darknet import Array
from prunus_darknet.testing.real_detections import real_boxes

NET = "[net]\nbatch=1\nwidth=96\nheight=64\nchannels=3\n"
CONV = (
    "[convolutional]\nbatch_normalize=1\nfilters=8\nsize=3\nstride={stride}\npad=1\n"
    "activation=leaky\n"
)
HEAD = "[convolutional]\nfilters={filters}\nsize=1\nstride=1\nactivation=linear\n"
YOLO = (
    NET
    + CONV.format(stride=8)
    + HEAD.format(filters=24)
    + "[yolo]\nmask=1,2,3\nanchors=9,7, 20,12, 30,40, 60,33\nclasses=3\nnum=4\n"
    + "[route]\nlayers=-3\n"
    + CONV.format(stride=2)
    + HEAD.format(filters=16)
    + "[yolo]\nmask=0,3\nanchors=9,7, 20,12, 30,40, 60,33\nclasses=3\nnum=4\n"
)
REGION = (
    NET
    + CONV.format(stride=8)
    + HEAD.format(filters=16)
    + "[region]\nanchors=1,2, 2.5,1.5\nclasses=3\nnum=2\ncoords=4\n{more}\n"
)
DETECTION = (
    NET
    + CONV.format(stride=16)
    + "[connected]\noutput=117\nactivation=linear\n"
    + "[detection]\nclasses=3\nside=3\nnum=2\ncoords=4\n{more}\n"
)


def network(tmp_path: Path, text: str, seed: int = 0, **options: str) -> Network:
    """A network of random weights."""
    model, weights = tmp_path / "net.cfg", tmp_path / "net.weights"
    model.write_text(text)
    write_random_weights(parse_cfg(text, model), weights, seed)
    return load(Source(model, weights, options))


def raw_of(net: Network, data: Array) -> dict[str, Array]:
    return Session(net.model).run({"data": data[None]})


def table(found: Boxes, coordinates: NDArray[np.float64]) -> NDArray[np.float64]:
    """``(m, 6)`` rows in the order of ``RealBoxes.rows``."""
    rows = np.column_stack([found.classes, found.scores, coordinates])
    return rows[np.lexsort((-rows[:, 1], rows[:, 0]))]


def compare_with_darknet(
    net: Network, files: tuple[Path, Path], data: Array, image: tuple[int, int], threshold: float
) -> None:
    """All boxes above a threshold, and those that suppression leaves."""
    heads, outputs = heads_of(net), raw_of(net, data)
    letterbox = heads[0].kind != "detection"
    everything = candidates(heads, outputs, 0, threshold).boxes()
    remaining = detect(heads, outputs, 0, threshold)
    theirs = real_boxes(*files, data, image, heads[0].classes, threshold, OVERLAP)
    for found, real in zip((everything, remaining), theirs, strict=True):
        mine = table(found, in_image(found.coordinates, heads[0].network, image, letterbox))
        assert len(mine) == len(real.rows()) >= 10
        np.testing.assert_allclose(mine, real.rows(), rtol=1e-4, atol=1e-3)


@pytest.mark.darknet
@pytest.mark.parametrize("image", [(201, 90), (90, 201)])
@pytest.mark.parametrize(
    "text",
    [
        YOLO,
        REGION.format(more="softmax=1"),
        REGION.format(more="softmax=0"),
        DETECTION.format(more="softmax=1\nsqrt=1"),
        DETECTION.format(more="softmax=0\nsqrt=0"),
    ],
    ids=["yolo", "region-softmax", "region-logistic", "detection-sqrt", "detection"],
)
def test_boxes_equal_darknets(
    tmp_path: Path, darknet: Path, text: str, image: tuple[int, int]
) -> None:
    seed = image[0]
    net = network(tmp_path, text, seed)
    data = np.random.default_rng(seed).uniform(0, 1, (3, 64, 96)).astype(np.float32)
    files = tmp_path / "net.cfg", tmp_path / "net.weights"
    compare_with_darknet(net, files, data, image, 0.02)


@pytest.mark.darknet
def test_yolov3_tiny_equals_darknet(tmp_path: Path, cfg_folder: Path) -> None:
    text = small(read_cfg(cfg_folder / "yolov3-tiny.cfg"), 96).text
    data = np.random.default_rng(0).uniform(0, 1, (3, 96, 96)).astype(np.float32)
    files = tmp_path / "net.cfg", tmp_path / "net.weights"
    compare_with_darknet(network(tmp_path, text), files, data, (640, 427), 0.3)


@pytest.mark.darknet
@pytest.mark.shared
def test_trained_network_on_a_photograph_equals_darknet(
    shared_models: Path, samples: Path, darknet: Path
) -> None:
    folder = shared_models / "darknet/yololite-trial3"
    files = next(folder.glob("*.cfg")), next(folder.glob("*.weights"))
    net = load(Source(*files))
    image = load_image(samples / "dog.jpg", 3, "")
    (head,) = heads_of(net)
    data = letterbox_image(image, *head.network)[0]
    compare_with_darknet(net, files, data, image.shape[:0:-1], 0.01)


def opencv_rows(files: tuple[Path, Path], data: Array) -> list[Array]:
    """For each ``[yolo]`` what OpenCV decodes: x, y, w, h, objectness, scores; cell after cell."""
    cv2 = pytest.importorskip("cv2", reason="OpenCV is not installed")
    net = cv2.dnn.readNetFromDarknet(*map(str, files))
    net.setInput(data[None])
    return list(net.forward(net.getUnconnectedOutLayersNames()))


def compare_with_opencv(net: Network, files: tuple[Path, Path], data: Array) -> int:
    """Boxes of all coordinates, scores where OpenCV's own threshold leaves them; gives their number."""
    outputs, compared = raw_of(net, data), 0
    for head, theirs in zip(heads_of(net), opencv_rows(files, data), strict=True):
        mine = predictions(head, outputs[head.output][0])
        scores = mine.objectness[:, None] * mine.classes
        rows = np.column_stack([mine.boxes, mine.objectness, scores])
        rows = rows.reshape(len(head.mask), -1, rows.shape[1]).swapaxes(0, 1)
        rows = rows.reshape(len(theirs), -1)
        np.testing.assert_allclose(rows[:, :5], theirs[:, :5], rtol=1e-3, atol=1e-5)
        seen = theirs[:, 5:] > 0
        np.testing.assert_allclose(rows[:, 5:][seen], theirs[:, 5:][seen], rtol=1e-3, atol=1e-5)
        compared += int(seen.sum())
    return compared


@pytest.mark.opencv
@pytest.mark.parametrize(
    ("activation", "more"),
    [("linear", "scale_x_y=1.2"), ("logistic", "scale_x_y=2.0\nnew_coords=1")],
    ids=["scale_x_y", "new_coords"],
)
def test_alexeyab_boxes_equal_opencvs(tmp_path: Path, activation: str, more: str) -> None:
    text = YOLO.replace("num=4\n", f"num=4\n{more}\n").replace("linear", activation)
    net = network(tmp_path, text, normalization="opencv")
    data = np.random.default_rng(0).uniform(0, 1, (3, 64, 96)).astype(np.float32)
    assert compare_with_opencv(net, (tmp_path / "net.cfg", tmp_path / "net.weights"), data) > 50


@pytest.mark.opencv
@pytest.mark.shared
@pytest.mark.parametrize("name", ["yolo-fastest-1.0", "mbv2-yolo-fastest-voc"])
def test_trained_alexeyab_networks_equal_opencv(
    name: str, shared_models: Path, samples: Path
) -> None:
    folder = shared_models / "darknet" / name
    files = next(folder.glob("*.cfg")), next(folder.glob("*.weights"))
    net = load(Source(*files, {"normalization": "opencv"}))
    image = load_image(samples / "dog.jpg", 3, "")
    data = resize_image(image, *heads_of(net)[0].network)
    assert compare_with_opencv(net, files, data) > 10


def test_gaussian_boxes_by_their_formulas(tmp_path: Path) -> None:
    text = YOLO.replace("[yolo]", "[Gaussian_yolo]\nscale_x_y=1.1")
    text = text.replace("filters=24", "filters=36").replace("filters=16", "filters=24")
    head = heads_of(network(tmp_path, text))[0]
    raw = np.random.default_rng(0).normal(0, 1, (36, 8, 12))
    found = predictions(head, raw)
    sigma = 1 / (1 + np.exp(-raw.reshape(3, 12, 8, 12)))
    for anchor, row, column in ((0, 0, 0), (1, 3, 7), (2, 7, 11)):
        position = (anchor * 8 + row) * 12 + column
        own, shape = sigma[anchor, :, row, column], head.used[anchor]
        size = np.exp(raw.reshape(3, 12, 8, 12)[anchor, [4, 6], row, column]) * shape / (96, 64)
        x, y = (column + own[0] * 1.1 - 0.05) / 12, (row + own[2] * 1.1 - 0.05) / 8
        np.testing.assert_allclose(found.boxes[position], [x, y, *size])
        assert found.objectness[position] == pytest.approx(own[8])
        certain = 1 - (own[1] + own[3] + own[5] + own[7]) / 4
        np.testing.assert_allclose(found.classes[position], own[9:] * certain)


def test_background_takes_the_place_of_objectness(tmp_path: Path) -> None:
    (head,) = heads_of(network(tmp_path, REGION.format(more="softmax=1\nbackground=1")))
    raw = np.random.default_rng(0).normal(0, 1, (16, 8, 12))
    found = predictions(head, raw)
    values = np.exp(raw.reshape(2, 8, 96)[:, 4:])
    wanted = (values / values.sum(1, keepdims=True))[:, :3].swapaxes(1, 2).reshape(-1, 3)
    np.testing.assert_allclose(found.classes, wanted)
    assert (found.objectness == 1).all()


def by_loops(found: Candidates, shared: Callable[[Array, Array], float]) -> NDArray[np.float64]:
    """Darknet's loops (``do_nms_sort``, ``diounms_sort``): scores that remain."""
    scores = found.scores.copy()
    for chosen in range(scores.shape[1]):
        order = np.argsort(-scores[:, chosen])
        for position, first in enumerate(order):
            for second in order[position + 1 :]:
                pair = found.coordinates[first], found.coordinates[second]
                if scores[first, chosen] and shared(*pair) > OVERLAP:
                    scores[second, chosen] = 0
    return scores


def with_distance(first: Array, second: Array) -> float:
    low = np.minimum(first[:2] - first[2:] / 2, second[:2] - second[2:] / 2)
    high = np.maximum(first[:2] + first[2:] / 2, second[:2] + second[2:] / 2)
    apart = np.square(first[:2] - second[:2]).sum() / np.square(high - low).sum()
    return float(iou(first, second) - apart**0.6)


def test_suppression_is_darknets() -> None:
    rng = np.random.default_rng(0)
    coordinates = np.column_stack(
        [rng.uniform(0.3, 0.7, (300, 2)), rng.uniform(0.1, 0.4, (300, 2))]
    )
    scores = rng.uniform(0, 1, (300, 2)) * rng.integers(0, 2, (300, 2))
    found = Candidates(coordinates, scores)
    plain, distance = suppressed(found, OVERLAP), suppressed(found, OVERLAP, 0.6)
    np.testing.assert_array_equal(plain.scores, by_loops(found, iou))
    np.testing.assert_array_equal(distance.scores, by_loops(found, with_distance))
    assert 10 < len(plain.boxes()) < len(distance.boxes()) < len(found.boxes()) / 2


def test_cfg_chooses_the_suppression(tmp_path: Path) -> None:
    text = YOLO.replace("num=4\n", "num=4\nnms_kind={}\nbeta_nms=.6\n")
    data = np.random.default_rng(0).uniform(0, 1, (3, 64, 96)).astype(np.float32)
    counts = []
    for kind in ("default", "greedynms", "diounms"):
        net = network(tmp_path, text.replace("{}", kind))
        counts.append(len(detect(heads_of(net), raw_of(net, data), 0)))
    assert counts[0] == counts[1] < counts[2]


def test_endless_and_missing_numbers_are_no_detections(tmp_path: Path) -> None:
    net = network(tmp_path, YOLO)
    heads = heads_of(net)
    shapes = {heads[0].output: (1, 24, 8, 12), heads[1].output: (1, 16, 4, 6)}
    nothing = {name: np.full(shape, np.nan, np.float32) for name, shape in shapes.items()}
    assert len(detect(heads, nothing, 0)) == 0
    endless = {name: np.full(shape, 1e4, np.float32) for name, shape in shapes.items()}
    with np.errstate(invalid="ignore"):
        assert len(detect(heads, endless, 0)) > 0
