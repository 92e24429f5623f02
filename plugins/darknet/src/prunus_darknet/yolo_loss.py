"""What ``[yolo]`` hands back to the layer before it in training, for both lines.

Format facts: ``forward_yolo_layer``, ``delta_yolo_box`` and ``delta_yolo_class`` in
``src/yolo_layer.c``. The AlexeyAB line counts a prediction as matching only where some class
is above 0.25, adds up the boxes of truths that share a place and weighs the parts.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from prunus.errors import UsageError
from prunus_darknet.box_head import BoxHead
from prunus_darknet.iou import KINDS, iou, iou_gradient, overlap

Array = NDArray[np.float64]
CLASS_THRESHOLD = 0.25


@attrs.frozen(eq=False)
class Deltas:
    """Minus the gradient with respect to the layer's input, and what the layer reports.

    Attributes:
        values: ``(N, C, h, w)``.
        cost: The batch's cost, not divided by N.
    """

    values: Array
    cost: float


def yolo_deltas(head: BoxHead, raw: Array, truths: Sequence[Array]) -> Deltas:
    """Deltas of a batch.

    Args:
        head: The layer.
        raw: ``(N, C, h, w)`` what the layer before gives.
        truths: For each sample ``(boxes, 5)``: class, centre x, centre y, width, height,
            relative to the network input.

    Raises:
        UsageError: the layer asks for a loss that is not known here.
    """
    if head.kind != "yolo" or head.settings["new_coords"] or head.iou_loss not in KINDS:
        wish = head.iou_loss if head.kind == "yolo" else head.kind
        wish = "new_coords=1" if head.settings["new_coords"] else wish
        raise UsageError(
            f"layer {head.index}: training a yolo layer with {wish} is not supported; use --distill"
        )
    samples = [_Sample(head, one) for one in raw]
    for sample, boxes in zip(samples, truths, strict=True):
        sample.learn(boxes[boxes[:, 1] > 0])
    values = np.stack([sample.delta.reshape(raw.shape[1:]) for sample in samples])
    return Deltas(values, _cost(head, samples))


def _cost(head: BoxHead, samples: Sequence[_Sample]) -> float:
    squares = sum(float(np.square(sample.delta).sum()) for sample in samples)
    if not head.alexeyab or head.iou_loss == "mse":
        return squares
    others = sum(float(np.square(sample.delta[:, 4:]).sum()) for sample in samples)
    losses = [loss for sample in samples for loss in sample.box_losses]
    boxes = head.settings["iou_normalizer"] * float(np.mean(losses)) if losses else 0.0
    return head.settings["obj_normalizer"] * others + boxes


class _Sample:
    """One sample; arrays are ``(anchors, 5 + classes, h, w)``."""

    def __init__(self, head: BoxHead, raw: Array) -> None:
        self.head = head
        count = len(head.mask)
        self.out = raw.astype(np.float64).reshape(count, 5 + head.classes, *raw.shape[1:])
        scale = head.settings["scale_x_y"] if head.alexeyab else 1.0
        self.out[:, :2] = expit(self.out[:, :2]) * scale - 0.5 * (scale - 1)
        self.out[:, 4:] = expit(self.out[:, 4:])
        self.delta = np.zeros_like(self.out)
        self.box_losses: list[float] = []
        self.rows, self.columns = raw.shape[1:]
        self.anchors = np.array(head.anchors) / np.array(head.network)
        self.boxes = self._boxes()

    def _weight(self, name: str) -> float:
        return self.head.settings[name] if self.head.alexeyab else 1.0

    def _boxes(self) -> Array:
        """``(anchors, h, w, 4)`` predictions (``get_yolo_box``)."""
        x = (np.arange(self.columns) + self.out[:, 0]) / self.columns
        y = (np.arange(self.rows)[:, None] + self.out[:, 1]) / self.rows
        own = self.anchors[list(self.head.mask)][:, :, None, None]
        with np.errstate(over="ignore"):
            width, height = np.exp(self.out[:, 2]) * own[:, 0], np.exp(self.out[:, 3]) * own[:, 1]
        return np.stack([x, y, width, height], -1)

    def learn(self, truths: Array) -> None:
        """Fill ``delta`` for the boxes of the picture."""
        self.delta[:, 4] = -self._weight("obj_normalizer") * self.out[:, 4]
        if len(truths):
            self._ignore(truths)
        for truth in truths:
            self._assign(truth)
        if self.head.alexeyab and self.head.settings["iou_thresh"] < 1:
            self._average()

    def _ignore(self, truths: Array) -> None:
        """No objectness is asked where a prediction meets a truth well enough."""
        overlaps = iou(self.boxes[..., None, :], truths[:, 1:])
        best = overlaps.max(-1)
        matched = best > self.head.settings["ignore_thresh"]
        if self.head.alexeyab:
            matched &= self.out[:, 5:].max(1) > CLASS_THRESHOLD
        self.delta[:, 4][matched] = 0
        for place in np.argwhere(best > self.head.settings["truth_thresh"]):
            anchor, row, column = (int(position) for position in place)
            self._teach(anchor, row, column, truths[overlaps[anchor, row, column].argmax()])

    def _assign(self, truth: Array) -> None:
        """The cell of its centre and the anchor of its shape answer for a truth."""
        column, row = int(truth[1] * self.columns), int(truth[2] * self.rows)
        if not (0 <= column < self.columns and 0 <= row < self.rows):
            return
        shapes = np.concatenate([np.zeros_like(self.anchors), self.anchors], 1)
        overlaps = iou(shapes, np.array([0, 0, *truth[3:]]))
        best = int(overlaps.argmax())
        also = self.head.alexeyab and self.head.settings["iou_thresh"] < 1
        for place, anchor in enumerate(self.head.mask):
            near = also and overlaps[anchor] > self.head.settings["iou_thresh"]
            if anchor == best or near:
                loss = self._teach(place, row, column, truth)
                self.box_losses.append(loss)

    def _teach(self, place: int, row: int, column: int, truth: Array) -> float:
        """Pull one prediction to a truth; gives 1 - overlap."""
        spot = (place, slice(None), row, column)
        out, delta = self.out[spot], self.delta[spot]
        pull = self._box_pull(place, row, column, truth)
        delta[:4] = pull + (delta[:4] if self.head.alexeyab else 0)
        delta[4] = self._weight("obj_normalizer") * (1 - out[4])
        self._teach_class(delta[5:], out[5:], int(truth[0]))
        kind = "giou" if self.head.iou_loss == "giou" else "iou"
        return 1 - overlap(self.boxes[place, row, column], truth[1:], kind)

    def _box_pull(self, place: int, row: int, column: int, truth: Array) -> Array:
        head, out = self.head, self.out[place, :, row, column]
        if not head.alexeyab or head.iou_loss == "mse":
            wanted = np.array(
                [
                    truth[1] * self.columns - column,
                    truth[2] * self.rows - row,
                    *np.log(truth[3:] / self.anchors[head.mask[place]]),
                ]
            )
            scale = (2 - truth[3] * truth[4]) * self._weight("iou_normalizer")
            return np.asarray(scale * (wanted - out[:4]))
        pull = iou_gradient(self.boxes[place, row, column], truth[1:], head.iou_loss)
        pull[2:] *= np.exp(out[2:4])
        pull = np.nan_to_num(pull * head.settings["iou_normalizer"], posinf=0, neginf=0)
        return np.asarray(np.clip(pull, -head.settings["max_delta"], head.settings["max_delta"]))

    def _teach_class(self, delta: Array, out: Array, wanted: int) -> None:
        weight = self._weight("cls_normalizer")
        smooth = self.head.settings["label_smooth_eps"] if self.head.alexeyab else 0.0
        goal = np.zeros(len(out))
        goal[wanted] = 1
        goal = goal * (1 - smooth) + 0.5 * smooth
        # a second truth at this place only adds its class
        if delta[wanted if self.head.alexeyab else 0]:
            delta[wanted] = weight * (goal[wanted] - out[wanted])
        else:
            delta[:] = weight * (goal - out)

    def _average(self) -> None:
        """Truths that share a place share its box (``averages_yolo_deltas``)."""
        count = (self.delta[:, 5:] > 0).sum(1)
        self.delta[:, :4] /= np.maximum(count, 1)[:, None]
