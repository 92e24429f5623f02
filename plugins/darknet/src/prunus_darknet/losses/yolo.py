"""Gradient of ``[yolo]`` for the layer before it in training, for both forks.

Format facts: ``forward_yolo_layer``, ``delta_yolo_box`` and ``delta_yolo_class`` in
``src/yolo_layer.c``. The AlexeyAB fork counts a prediction as matching only where some class
is above 0.25, adds up the boxes of truths that share a position and weighs the parts.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import numpy as np
from numpy.typing import NDArray

from prunus.plugin import UsageError
from prunus_darknet.boxes.decode import yolo_boxes, yolo_values
from prunus_darknet.boxes.head import BoxHead
from prunus_darknet.boxes.iou import KINDS, iou, iou_gradient, overlap

Array = NDArray[np.float64]
Spots = NDArray[np.int64]
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
    losses = np.concatenate([np.empty(0), *(sample.box_losses for sample in samples)])
    boxes = head.settings["iou_normalizer"] * float(losses.mean()) if len(losses) else 0.0
    return head.settings["obj_normalizer"] * others + boxes


class _Sample:
    """One sample; arrays are ``(anchors, 5 + classes, h, w)``."""

    def __init__(self, head: BoxHead, raw: Array) -> None:
        self.head = head
        self.out = yolo_values(head, raw.astype(np.float64))
        self.delta = np.zeros_like(self.out)
        self.box_losses: Array = np.empty(0)
        self.rows, self.columns = raw.shape[1:]
        self.anchors = np.array(head.anchors) / np.array(head.network)
        self.boxes = yolo_boxes(head, self.out)

    def _weight(self, name: str) -> float:
        return self.head.settings[name] if self.head.alexeyab else 1.0

    def learn(self, truths: Array) -> None:
        """Fill ``delta`` for the boxes of the image."""
        self.delta[:, 4] = -self._weight("obj_normalizer") * self.out[:, 4]
        if not len(truths):
            return
        self._ignore(truths)
        spots, chosen = self._answering(truths)
        self._teach(spots, truths[chosen])
        kind = "giou" if self.head.iou_loss == "giou" else "iou"
        self.box_losses = 1 - overlap(self._at(spots), truths[chosen, 1:], kind)
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
        spots = np.argwhere(best > self.head.settings["truth_thresh"])
        self._teach(spots, truths[overlaps.argmax(-1)[tuple(spots.T)]])

    def _answering(self, truths: Array) -> tuple[Spots, Spots]:
        """The cell of its centre and the anchor of its shape answer for a truth.

        Returns:
            ``(n, 3)`` anchor, row, column, and ``(n,)`` the truth, in the truths' order.
        """
        column = (truths[:, 1] * self.columns).astype(np.int64)
        row = (truths[:, 2] * self.rows).astype(np.int64)
        inside = (column >= 0) & (column < self.columns) & (row >= 0) & (row < self.rows)
        shapes = np.concatenate([np.zeros_like(self.anchors), self.anchors], 1)
        sizes = np.concatenate([np.zeros_like(truths[:, 3:]), truths[:, 3:]], 1)
        overlaps = iou(sizes[:, None], shapes)
        mask = np.array(self.head.mask)
        answers = overlaps.argmax(1)[:, None] == mask
        if self.head.alexeyab and self.head.settings["iou_thresh"] < 1:
            answers |= overlaps[:, mask] > self.head.settings["iou_thresh"]
        chosen, anchor = np.nonzero(answers & inside[:, None])
        return np.stack([anchor, row[chosen], column[chosen]], 1), chosen

    def _at(self, spots: Spots) -> Array:
        """``(n, 4)`` predictions."""
        return np.asarray(self.boxes[tuple(spots.T)])

    def _teach(self, spots: Spots, truths: Array) -> None:
        """Pull predictions ``(n, 3)`` to truths ``(n, 5)``, one after another."""
        pulls = self._box_pulls(spots, truths)
        for (anchor, row, column), truth, pull in zip(spots, truths, pulls, strict=True):
            out, delta = self.out[anchor, :, row, column], self.delta[anchor, :, row, column]
            delta[:4] = pull + (delta[:4] if self.head.alexeyab else 0)
            delta[4] = self._weight("obj_normalizer") * (1 - out[4])
            self._teach_class(delta[5:], out[5:], int(truth[0]))

    def _box_pulls(self, spots: Spots, truths: Array) -> Array:
        """``(n, 4)`` deltas of position and size."""
        head, (anchor, row, column) = self.head, spots.T
        out, wanted = self.out[anchor, :4, row, column], truths[:, 1:]
        if not head.alexeyab or head.iou_loss == "mse":
            anchors = self.anchors[np.array(head.mask)[anchor]]
            centres = wanted[:, :2] * (self.columns, self.rows) - np.stack([column, row], 1)
            goal = np.concatenate([centres, np.log(wanted[:, 2:] / anchors)], 1)
            scale = (2 - wanted[:, 2] * wanted[:, 3]) * self._weight("iou_normalizer")
            return np.asarray(scale[:, None] * (goal - out))
        pulls = iou_gradient(self._at(spots), wanted, head.iou_loss)
        pulls[:, 2:] *= np.exp(out[:, 2:])
        pulls = np.nan_to_num(pulls * head.settings["iou_normalizer"], posinf=0, neginf=0)
        return np.asarray(np.clip(pulls, -head.settings["max_delta"], head.settings["max_delta"]))

    def _teach_class(self, delta: Array, out: Array, wanted: int) -> None:
        weight = self._weight("cls_normalizer")
        smooth = self.head.settings["label_smooth_eps"] if self.head.alexeyab else 0.0
        goal = np.zeros(len(out))
        goal[wanted] = 1
        goal = goal * (1 - smooth) + 0.5 * smooth
        # a second truth at this position only adds its class
        if delta[wanted if self.head.alexeyab else 0]:
            delta[wanted] = weight * (goal[wanted] - out[wanted])
        else:
            delta[:] = weight * (goal - out)

    def _average(self) -> None:
        """Truths that share a position share its box (``averages_yolo_deltas``)."""
        count = (self.delta[:, 5:] > 0).sum(1)
        self.delta[:, :4] /= np.maximum(count, 1)[:, None]
