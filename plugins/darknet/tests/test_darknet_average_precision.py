"""Average precision: VOC's by its own loops, COCO's by pycocotools."""

from __future__ import annotations

import contextlib
import io
import json

import numpy as np
import pytest

from prunus.analysis.journal import plain, restored
from prunus.errors import DataError
from prunus.plugin import Agreement
from prunus_darknet.boxes.average_precision import (
    COCO,
    COCO_50,
    VOC,
    MeanAveragePrecision,
    Rules,
    average_precision,
    joined,
    match,
    precision_at,
)
from prunus_darknet.boxes.iou import iou
from prunus_darknet.boxes.suppression import Boxes
from prunus_darknet.testing.heads import head_of

CLASSES = 4
Image = tuple[Boxes, np.ndarray]


def images(seed: int, count: int = 12, most: int = 40, *, ties: bool = False) -> list[Image]:
    """Detections around true boxes and anywhere; the last class never occurs, some images are empty.

    Boxes lie on a grid where ``ties``, so that overlaps and scores are often equal.
    """
    rng = np.random.default_rng(seed)
    return [_image(rng, most, ties, empty=position % 4 == 3) for position in range(count)]


def _image(rng: np.random.Generator, most: int, ties: bool, empty: bool) -> Image:
    truths = np.column_stack(
        [
            rng.integers(0, CLASSES - 1, 6),
            rng.uniform(0.2, 0.8, (6, 2)),
            rng.uniform(0.1, 0.4, (6, 2)),
        ]
    )
    near = truths[rng.integers(0, 6, most // 2), 1:]
    coordinates = np.concatenate(
        [
            near * rng.normal(1, 0.06, near.shape),
            rng.uniform(0.1, 0.5, (most - len(near), 4)),
        ]
    )
    scores = rng.uniform(0.01, 1, most)
    if ties:
        coordinates, scores = _on_grid(coordinates), scores.round(1)
        truths[:, 1:] = _on_grid(truths[:, 1:])
    order = np.argsort(-scores, kind="stable")
    found = Boxes(coordinates, scores, rng.integers(0, CLASSES, most)).pick(order)
    return found, truths[: 0 if empty else 6]


def _on_grid(coordinates: np.ndarray) -> np.ndarray:
    """Sixteenths: overlaps are then the same floats at every scale that is a power of two."""
    return np.maximum((16 * coordinates).round(), 1) / 16


def ours(rules: Rules, shown: list[Image]) -> np.ndarray:
    images = [match(rules, found, truth, CLASSES) for found, truth in shown]
    return average_precision(rules, joined(images))


def voc(shown: list[Image], chosen: int) -> float:
    """VOC's loops, as ``VOCevaldet.m`` and ``validate_detector_map`` have them."""
    count = sum(int((truth[:, 0] == chosen).sum()) for _, truth in shown)
    rows = [
        (-found.scores[position], number, position)
        for number, (found, _) in enumerate(shown)
        for position in np.nonzero(found.classes == chosen)[0]
    ]
    taken: set[tuple[int, int]] = set()
    curve, right = [], 0
    for seen, (_, number, position) in enumerate(sorted(rows), start=1):
        found, truth = shown[number]
        best, spot = 0.0, -1
        for row, box in enumerate(truth):
            shared = float(iou(found.coordinates[position], box[1:]))
            if box[0] == chosen and shared > max(0.5, best):
                best, spot = shared, row
        if spot >= 0 and (number, spot) not in taken:
            taken.add((number, spot))
            right += 1
        curve.append((right / count, right / seen))
    points = [
        max((precision for recall, precision in curve if recall >= point / 10), default=0.0)
        for point in range(11)
    ]
    return sum(points) / 11


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_map_is_vocs(seed: int, ties: bool) -> None:
    shown = images(seed, ties=ties)
    found = ours(VOC, shown)
    assert np.isnan(found[CLASSES - 1])
    for chosen in range(CLASSES - 1):
        assert found[chosen] == pytest.approx(voc(shown, chosen), abs=1e-12)
    assert 0.02 < np.nanmean(found) < 0.98


def coco(shown: list[Image], most: int) -> np.ndarray:
    """pycocotools' precision ``(T, R, classes)`` at the given number of detections."""
    pytest.importorskip("pycocotools", reason="pycocotools is not installed")
    from pycocotools.coco import COCO as Annotations
    from pycocotools.cocoeval import COCOeval

    size = 1024.0
    truths, results = [], []
    for number, (found, truth) in enumerate(shown, start=1):
        for box in truth:
            corner = box[1:3] - box[3:] / 2
            truths.append(
                {
                    "id": len(truths) + 1,
                    "image_id": number,
                    "category_id": int(box[0]),
                    "bbox": [*(size * corner), *(size * box[3:])],
                    "area": float(size**2 * box[3] * box[4]),
                    "iscrowd": 0,
                }
            )
        for position, score, chosen in zip(
            found.coordinates, found.scores, found.classes, strict=True
        ):
            corner = position[:2] - position[2:] / 2
            results.append(
                {
                    "image_id": number,
                    "category_id": int(chosen),
                    "bbox": [*(size * corner), *(size * position[2:])],
                    "score": float(score),
                }
            )
    with contextlib.redirect_stdout(io.StringIO()):
        annotations = Annotations()
        annotations.dataset = {
            "images": [{"id": number} for number in range(1, len(shown) + 1)],
            "annotations": truths,
            "categories": [{"id": chosen} for chosen in range(CLASSES)],
        }
        annotations.createIndex()
        evaluation = COCOeval(annotations, annotations.loadRes(results), "bbox")
        evaluation.params.maxDets = [most]
        evaluation.evaluate()
        evaluation.accumulate()
    return np.asarray(evaluation.eval["precision"][:, :, :, 0, 0])


@pytest.mark.pycocotools
@pytest.mark.parametrize(
    ("most", "ties"), [(40, False), (40, True), (700, False)], ids=["plain", "ties", "many"]
)
@pytest.mark.parametrize("seed", range(3))
def test_coco_is_pycocotools(seed: int, most: int, ties: bool) -> None:
    """Seven hundred detections are more than the hundred of a class that count."""
    shown = images(seed, most=most, ties=ties)
    theirs = coco(shown, 100)
    assert (theirs[:, :, CLASSES - 1] == -1).all()
    for rules, rows in ((COCO, slice(None)), (COCO_50, slice(1))):
        found = ours(rules, shown)
        expected = theirs[rows, :, : CLASSES - 1].mean((0, 1))
        np.testing.assert_allclose(found[: CLASSES - 1], expected, atol=1e-6, rtol=0)
        assert np.isnan(found[CLASSES - 1])


def test_precision_at_by_hand() -> None:
    """Hit, miss, hit of three true boxes: 1 up to 1/3, then 2/3 up to 2/3, then nothing."""
    hits = np.array([True, False, True])
    recalls = np.array([0, 0.3, 1 / 3, 0.4, 2 / 3, 0.7, 1])
    found = precision_at(hits, 3, recalls)
    np.testing.assert_allclose(found, [1, 1, 1, 2 / 3, 2 / 3, 0, 0])
    assert precision_at(np.zeros(0, bool), 3, recalls).tolist() == [0] * 7


CFG = (
    "[net]\nwidth=32\nheight=32\nchannels=3\n[convolutional]\nfilters=18\nsize=8\nstride=8\n"
    "[yolo]\nmask=0,1\nanchors=8,8, 16,24\nclasses=4\nnum=2\n"
)
TRUTHS = [np.array([[1, 0.4, 0.4, 0.25, 0.25], [3, 0.8, 0.3, 0.5, 0.75]]), np.zeros((0, 5))]


def outputs_for(truths: np.ndarray) -> np.ndarray:
    """What the head must be fed to find the boxes of an image, and nothing else."""
    raw = np.full((2, 9, 4, 4), -20.0, np.float32)
    for anchor, (chosen, x, y, *_) in enumerate(truths):
        column, row = int(4 * x), int(4 * y)
        inside = np.array([4 * x - column, 4 * y - row])
        cell = raw[anchor, :, row, column]
        cell[:2] = np.log(inside / (1 - inside))
        cell[2:4] = 0
        cell[[4, 5 + int(chosen)]] = 20
    return raw.reshape(1, 18, 4, 4)


def metric_and_outputs(rules: Rules) -> tuple[MeanAveragePrecision, dict[str, np.ndarray]]:
    head = head_of(CFG)
    raw = np.concatenate([outputs_for(truth) for truth in TRUTHS])
    return MeanAveragePrecision((head,), rules), {head.output: raw}


@pytest.mark.parametrize("rules", [VOC, COCO, COCO_50], ids=lambda rules: rules.name)
def test_a_perfect_detector(rules: Rules) -> None:
    metric, outputs = metric_and_outputs(rules)
    seen = metric.observe(outputs, {}, TRUTHS)
    assert metric.result([seen]).value == 1
    assert metric.result([seen]).error == 0
    np.testing.assert_array_equal(metric.by_class([seen]), [np.nan, 1, np.nan, 1])
    assert (metric.name, metric.higher_is_better, metric.needs_labels) == (rules.name, True, True)


def test_observations_survive_a_journal_and_any_batch_size() -> None:
    metric, outputs = metric_and_outputs(VOC)
    missed = {name: np.roll(raw, 1, 0) for name, raw in outputs.items()}
    whole = [metric.observe(seen, {}, TRUTHS) for seen in (outputs, missed)]
    assert metric.result(whole).value == pytest.approx(6 / 11)
    stored = json.loads(json.dumps(plain(whole)))
    assert metric.result(restored(stored)).value == metric.result(whole).value
    single = [
        metric.observe(
            {name: raw[[position]] for name, raw in seen.items()}, {}, [TRUTHS[position]]
        )
        for seen in (outputs, missed)
        for position in (0, 1)
    ]
    assert metric.result(single).value == metric.result(whole).value


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("value", [np.nan, np.inf, 1e5, -np.inf])
def test_a_broken_network_finds_nothing(value: float) -> None:
    metric, outputs = metric_and_outputs(COCO)
    broken = {name: np.full_like(raw, value) for name, raw in outputs.items()}
    assert metric.result([metric.observe(broken, {}, TRUTHS)]).value == 0


def test_labels_of_another_data_set() -> None:
    metric, outputs = metric_and_outputs(VOC)
    other = [np.array([[4, 0.5, 0.5, 0.1, 0.1]]), np.zeros((0, 5))]
    with pytest.raises(DataError) as caught:
        metric.observe(outputs, {}, other)
    assert str(caught.value) == "a label has class 4, the network knows 4 (from 0)"


@pytest.mark.parametrize("rules", [VOC, COCO, COCO_50], ids=lambda rules: rules.name)
def test_the_original_s_own_detections_are_the_truth_without_labels(rules: Rules) -> None:
    metric, outputs = metric_and_outputs(rules)
    found = metric.truth(outputs)
    assert [len(boxes) for boxes in found] == [2, 0]
    np.testing.assert_allclose(found[0][np.argsort(found[0][:, 0])], TRUTHS[0], atol=1e-6)
    agreement = Agreement(metric)
    assert agreement.result([agreement.observe(outputs, outputs, None)]).value == 1
    missed = {name: np.roll(raw, 1, 0) for name, raw in outputs.items()}
    assert agreement.result([agreement.observe(missed, outputs, None)]).value == 0


def test_detections_that_are_not_shown_are_no_objects() -> None:
    metric, outputs = metric_and_outputs(VOC)
    (name,) = outputs
    unsure = outputs[name].copy().reshape(2, 2, 9, 4, 4)
    unsure[:, :, 4] = np.minimum(unsure[:, :, 4], -1.2)  # objectness 0.23
    assert [len(boxes) for boxes in metric.truth({name: unsure.reshape(2, 18, 4, 4)})] == [0, 0]
    unsure[:, :, 4] = np.maximum(unsure[:, :, 4], -1.0)  # objectness 0.27
    assert len(metric.truth({name: unsure.reshape(2, 18, 4, 4)})[0]) == 2


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("value", [np.nan, np.inf, 1e5, -np.inf])
def test_a_broken_network_has_detections_or_none(value: float) -> None:
    metric, outputs = metric_and_outputs(VOC)
    broken = {name: np.full_like(raw, value) for name, raw in outputs.items()}
    assert all(boxes.shape[1] == 5 for boxes in metric.truth(broken))
