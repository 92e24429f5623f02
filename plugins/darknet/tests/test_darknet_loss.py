"""Box losses: the real Darknet's own cost and deltas, and the AlexeyAB fork's formulas."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from prunus.errors import DataError, UsageError
from prunus_darknet.boxes.head import BoxHead, heads_in
from prunus_darknet.boxes.iou import iou, iou_gradient, overlap
from prunus_darknet.cfg import parse_cfg
from prunus_darknet.dialect import dialect_of
from prunus_darknet.library import library
from prunus_darknet.losses.region import region_deltas
from prunus_darknet.losses.yolo import yolo_deltas
from prunus_darknet.records.structure import read_structure
from prunus_darknet.testing.real_training import train_step

darknet = pytest.mark.skipif(library() is None, reason="real Darknet is not installed")

SIDE, DEPTH = 4, 16
NET = (
    "[net]\nbatch={batch}\nsubdivisions=1\nwidth={side}\nheight={side}\nchannels={depth}\n"
    "momentum=0\ndecay=0\nlearning_rate=1\npolicy=constant\nmax_batches=10\n"
    "[convolutional]\nfilters={filters}\nsize=1\nstride=1\nactivation=linear\n"
)
YOLO = "[yolo]\nmask={mask}\nanchors=1,2, 2.5,2, 3,4, 1.5,1\nclasses=3\nnum=4\n{more}\n"
REGION = "[region]\nanchors=1,2, 2.5,2, 3,4\nclasses=3\nnum=3\ncoords=4\n{more}\n"


def head_of(text: str) -> BoxHead:
    cfg = parse_cfg(text, Path("net.cfg"))
    dialect = dialect_of(cfg, None, None)
    return heads_in(read_structure(cfg, dialect), dialect)[0]


def boxes(rng: np.random.Generator, count: int) -> np.ndarray:
    """``(count, 5)`` boxes; two of them in one cell where there are three."""
    found = np.column_stack(
        [
            rng.integers(0, 3, count),
            rng.uniform(0.05, 0.95, (count, 2)),
            rng.uniform(0.1, 0.9, (count, 2)),
        ]
    )
    if count > 2:
        found[1, 1:] = found[0, 1:]
    return found


def darknet_deltas(
    tmp_path: Path, text: str, raw: np.ndarray, truths: list[np.ndarray], longest: int
) -> tuple[np.ndarray, float]:
    """Darknet's deltas, recovered from the update of a convolution that made ``raw``.

    With one pixel position an input channel of its own the update of the weights is the deltas.
    """
    count, filters = raw.shape[:2]
    weights = raw[0].reshape(filters, DEPTH)
    (tmp_path / "net.cfg").write_text(text)
    header = struct.pack("<iiiQ", 0, 2, 0, 100_000)
    run = np.concatenate([np.zeros(filters, np.float32), weights.ravel().astype(np.float32)])
    (tmp_path / "net.weights").write_bytes(header + run.tobytes())
    sample = np.eye(DEPTH, dtype=np.float32).reshape(1, -1)
    flat = np.zeros((count, longest), np.float32)
    for row, found in zip(flat, truths, strict=True):
        row[: 5 * len(found)] = found[:, [1, 2, 3, 4, 0]].ravel()
    step = train_step(tmp_path / "net.cfg", tmp_path / "net.weights", sample, flat)
    after = np.frombuffer(step.weights[20:], np.float32)[filters:].reshape(filters, DEPTH)
    deltas = (after - weights).reshape(1, filters, SIDE, SIDE)
    return deltas, step.loss


@darknet
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    ("mask", "more"),
    [("0,1,2,3", "ignore_thresh=.5"), ("1,2", "ignore_thresh=.3"), ("0,3", "truth_thresh=.4")],
)
def test_yolo_equals_darknet(tmp_path: Path, seed: int, mask: str, more: str) -> None:
    rng = np.random.default_rng(seed)
    filters = 8 * len(mask.split(","))
    net = NET.format(batch=1, side=SIDE, depth=DEPTH, filters=filters)
    text = net + YOLO.format(mask=mask, more=more)
    raw = rng.normal(0, 1, (1, filters, SIDE, SIDE)).astype(np.float32)
    truths = [boxes(rng, 5)]
    theirs, cost = darknet_deltas(tmp_path, text, raw, truths, 450)
    ours = yolo_deltas(head_of(text), raw, truths)
    np.testing.assert_allclose(ours.values, theirs, rtol=1e-4, atol=1e-5)
    assert ours.cost == pytest.approx(cost, rel=1e-5)


@darknet
@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(
    "more",
    [
        "softmax=1\nbias_match=1",
        "softmax=0\nrescore=1\nobject_scale=5\ncoord_scale=2",
        "softmax=1\nrescore=1\nbias_match=0\nnoobject_scale=.5\nclass_scale=3\nthresh=.3",
    ],
)
def test_region_cost_equals_darknet(tmp_path: Path, seed: int, more: str) -> None:
    """The cost alone: the library's CPU ``backward_region_layer`` is empty."""
    rng = np.random.default_rng(seed)
    text = NET.format(batch=1, side=SIDE, depth=DEPTH, filters=24) + REGION.format(more=more)
    raw = rng.normal(0, 1, (1, 24, SIDE, SIDE)).astype(np.float32)
    truths = [boxes(rng, 5)]
    theirs, cost = darknet_deltas(tmp_path, text, raw, truths, 150)
    assert not theirs.any()
    ours = region_deltas(head_of(text), raw, truths)
    assert ours.cost == pytest.approx(cost, rel=1e-5)


@pytest.mark.parametrize("kind", ["iou", "giou", "diou", "ciou"])
def test_overlap_falls_along_its_gradient(kind: str) -> None:
    rng = np.random.default_rng(1)
    risen = 0
    for _ in range(200):
        first, second = boxes(rng, 2)[:, 1:]
        slope = iou_gradient(first, second, kind)
        step = first + 1e-4 * slope / max(np.linalg.norm(slope), 1e-9)
        risen += overlap(step, second, kind) >= overlap(first, second, kind)
    assert risen >= 190  # Darknet's centre term of diou and ciou has a sign of its own


@pytest.mark.parametrize("kind", ["iou", "giou"])
def test_gradient_is_the_derivative_but_for_darknets_factor(kind: str) -> None:
    rng = np.random.default_rng(2)
    for _ in range(50):
        first, second = boxes(rng, 2)[:, 1:]
        if iou(first, second) == 0:
            continue
        found = iou_gradient(first, second, kind)
        for axis, factor in enumerate((1, 1, 2, 2)):
            move = np.zeros(4)
            move[axis] = 1e-6
            rise = overlap(first + move, second, kind) - overlap(first - move, second, kind)
            assert found[axis] == pytest.approx(factor * rise / 2e-6, rel=1e-3, abs=1e-4)


def test_parts_are_weighed_in_the_alexeyab_line() -> None:
    net = NET.format(batch=1, side=SIDE, depth=DEPTH, filters=32)
    more = "iou_loss=ciou\niou_normalizer=.07\ncls_normalizer=2\nobj_normalizer=.5"
    head = head_of(net + YOLO.format(mask="0,1,2,3", more=more))
    plain = head_of(net + YOLO.format(mask="0,1,2,3", more=""))
    rng = np.random.default_rng(0)
    raw, truths = rng.normal(0, 1, (1, 32, SIDE, SIDE)), [boxes(rng, 1)]
    ours, theirs = (
        yolo_deltas(one, raw, truths).values.reshape(4, 8, SIDE, SIDE) for one in (head, plain)
    )
    assert head.alexeyab
    assert not plain.alexeyab
    np.testing.assert_allclose(ours[:, 5:], 2 * theirs[:, 5:])
    taught = np.argwhere(theirs[:, 4] > 0)
    assert len(taught) == 1
    anchor, row, column = taught[0]
    assert ours[anchor, 4, row, column] == pytest.approx(0.5 * theirs[anchor, 4, row, column])


def test_torch_gets_value_and_gradient() -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed")
    from prunus_darknet.losses.box_loss import box_loss

    net = NET.format(batch=1, side=SIDE, depth=DEPTH, filters=16)
    head = head_of(net + YOLO.format(mask="0,1", more=""))
    rng = np.random.default_rng(0)
    raw = torch.tensor(rng.normal(0, 1, (2, 16, SIDE, SIDE)), dtype=torch.float32)
    raw.requires_grad_()
    truths = [boxes(rng, 2), boxes(rng, 0)]
    loss = box_loss({head.output: raw}, truths, {"head": head})
    (3 * loss).backward()
    found = yolo_deltas(head, raw.detach().numpy(), truths)
    assert loss.item() == pytest.approx(found.cost / 2, rel=1e-6)
    np.testing.assert_allclose(raw.grad.numpy(), -3 * found.values / 2, rtol=1e-5, atol=1e-7)
    with pytest.raises(DataError) as caught:
        box_loss({head.output: raw}, None, {"head": head})
    assert str(caught.value) == (
        "the loss of yolo layer 1 needs boxes and the samples have none; use --distill"
    )


def test_unknown_loss() -> None:
    net = NET.format(batch=1, side=SIDE, depth=DEPTH, filters=16)
    head = head_of(net + YOLO.format(mask="0,1", more="iou_loss=siou"))
    with pytest.raises(UsageError) as caught:
        yolo_deltas(head, np.zeros((1, 16, SIDE, SIDE)), [np.zeros((0, 5))])
    assert str(caught.value) == (
        "layer 1: training a yolo layer with siou is not supported; use --distill"
    )


@pytest.mark.parametrize("kind", ["iou", "giou", "diou", "ciou"])
def test_many_boxes_are_many_single_ones(kind: str) -> None:
    rng = np.random.default_rng(3)
    first, second = boxes(rng, 30)[:, 1:], boxes(rng, 30)[:, 1:]
    first[:3], first[3:6, 2:] = second[:3], 1e-3  # the same box; one far inside
    for many in (iou_gradient, overlap):
        each = [many(one, other, kind) for one, other in zip(first, second, strict=True)]
        np.testing.assert_allclose(many(first, second, kind), each, rtol=1e-12, atol=1e-13)
    assert iou_gradient(first[:0], second[:0], kind).shape == (0, 4)
