"""From the tensor that feeds a box-decoding layer to boxes, objectness and class scores.

Format facts: ``get_yolo_box``, ``get_region_box`` and ``get_detection_detections`` with the
``forward_*`` functions of the same files of Darknet's ``src`` (``yolo_layer.c``,
``region_layer.c``, ``detection_layer.c``); ``scale_x_y``, ``new_coords`` and
``gaussian_yolo_layer.c`` are the AlexeyAB fork's. Boxes are relative to the network's input:
``correct_yolo_boxes`` then moves them into the frame of the image.
"""

from __future__ import annotations

import attrs
import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, softmax

from prunus.plugin import Network, UsageError
from prunus_darknet.boxes.head import BoxHead, heads_of

Array = NDArray[np.float64]


@attrs.frozen(eq=False)
class Predictions:
    """Everything one layer predicts for one sample.

    Attributes:
        boxes: ``(P, 4)`` centre x, centre y, width, height relative to the network input.
        objectness: ``(P,)``.
        classes: ``(P, classes)`` what objectness is multiplied with.
    """

    boxes: Array
    objectness: Array
    classes: Array

    def likely(self, threshold: float) -> Predictions:
        """Only those whose objectness is above the threshold."""
        kept = self.objectness > threshold
        return Predictions(self.boxes[kept], self.objectness[kept], self.classes[kept])


def decoded_heads(network: Network, purpose: str) -> tuple[BoxHead, ...]:
    """The box-decoding layers of a network, all of a kind that is decoded here.

    Args:
        network: Any network.
        purpose: What boxes are needed for, for messages.

    Raises:
        UsageError: there are none, or one has a class tree.
    """
    heads = heads_of(network)
    if not heads:
        raise UsageError(
            f"{purpose} needs boxes; this network has no [yolo], [region] or [detection] layer"
        )
    tree = next((head for head in heads if head.tree), None)
    if tree is not None:
        raise UsageError(
            f"{purpose}: {tree.kind} layer {tree.index} has a class tree, whose scores are "
            "not decoded; use --metric fidelity"
        )
    return heads


def predictions(head: BoxHead, raw: NDArray[np.floating]) -> Predictions:
    """Predictions of a layer for one sample.

    Args:
        head: The layer.
        raw: ``(C, h, w)`` what the layer before gives (any shape of that size for
            ``detection``).
    """
    if head.kind == "detection":
        return _detection(head, raw.astype(np.float64).ravel())
    parts = {"yolo": _yolo, "gaussian_yolo": _gaussian, "region": _region}
    boxes, objectness, classes = parts[head.kind](head, raw.astype(np.float64))
    return Predictions(
        boxes.reshape(-1, 4),
        objectness.ravel(),
        np.moveaxis(classes, 1, -1).reshape(-1, head.classes),
    )


def yolo_values(head: BoxHead, raw: Array) -> Array:
    """``(anchors, 5 + classes, h, w)``: x, y, w, h, objectness, classes as the layer gives them."""
    out = raw.reshape(len(head.mask), 5 + head.classes, *raw.shape[1:]).copy()
    if not head.settings["new_coords"]:
        out[:, :2], out[:, 4:] = expit(out[:, :2]), expit(out[:, 4:])
    out[:, :2] = _scaled(head, out[:, :2])
    return out


def yolo_boxes(head: BoxHead, out: Array) -> Array:
    """``(anchors, h, w, 4)`` boxes of `yolo_values` (``get_yolo_box``)."""
    anchors = np.array(head.used) / np.array(head.network)
    if head.settings["new_coords"]:
        return _placed(out[:, 0], out[:, 1], np.square(2 * out[:, 2:4]), anchors)
    return _placed(out[:, 0], out[:, 1], _exp(out[:, 2:4]), anchors)


def region_values(head: BoxHead, raw: Array) -> Array:
    """``(anchors, coords + 1 + classes, h, w)``: x, y, w, h, …, objectness, classes."""
    coords = int(head.settings["coords"])
    out = raw.reshape(len(head.mask), coords + 1 + head.classes, *raw.shape[1:]).copy()
    first = coords + (0 if head.settings["background"] else 1)
    out[:, :2] = expit(out[:, :2])
    out[:, coords:first] = expit(out[:, coords:first])
    if head.settings["softmax"]:
        out[:, first:] = softmax(out[:, first:], axis=1)
    elif not head.alexeyab:  # AlexeyAB's layer leaves classes without softmax as they are
        out[:, coords + 1 :] = expit(out[:, coords + 1 :])
    return out


def region_boxes(head: BoxHead, out: Array) -> Array:
    """``(anchors, h, w, 4)`` boxes of `region_values` (``get_region_box``)."""
    anchors = np.array(head.used) / (out.shape[3], out.shape[2])
    return _placed(out[:, 0], out[:, 1], _exp(out[:, 2:4]), anchors)


def _yolo(head: BoxHead, raw: Array) -> tuple[Array, Array, Array]:
    out = yolo_values(head, raw)
    return yolo_boxes(head, out), out[:, 4], out[:, 5:]


def _gaussian(head: BoxHead, raw: Array) -> tuple[Array, Array, Array]:
    """Each coordinate has a mean and a deviation; the mean deviation lowers the scores."""
    out = raw.reshape(len(head.mask), 9 + head.classes, *raw.shape[1:])
    x, y = (_scaled(head, expit(out[:, channel])) for channel in (0, 2))
    anchors = np.array(head.used) / np.array(head.network)
    certain = 1 - expit(out[:, [1, 3, 5, 7]]).mean(1, keepdims=True)
    boxes = _placed(x, y, _exp(out[:, [4, 6]]), anchors)
    return boxes, expit(out[:, 8]), expit(out[:, 9:]) * certain


def _region(head: BoxHead, raw: Array) -> tuple[Array, Array, Array]:
    out, coords = region_values(head, raw), int(head.settings["coords"])
    boxes = region_boxes(head, out)
    if head.settings["background"]:
        return boxes, np.ones_like(out[:, 0]), out[:, coords : coords + head.classes]
    return boxes, out[:, coords], out[:, coords + 1 :]


def _detection(head: BoxHead, raw: Array) -> Predictions:
    """YOLOv1: values of all cells lie one after another, classes first."""
    side, count = int(head.settings["side"]), int(head.settings["num"])
    cells = side * side
    classes = raw[: cells * head.classes].reshape(cells, head.classes)
    if head.settings["softmax"]:
        classes = softmax(classes, axis=1)
    objectness = raw[cells * head.classes : cells * (head.classes + count)]
    found = raw[cells * (head.classes + count) :].reshape(cells, count, 4)
    row, column = np.divmod(np.arange(cells), side)
    boxes = found.copy()
    boxes[..., 0] = (found[..., 0] + column[:, None]) / side
    boxes[..., 1] = (found[..., 1] + row[:, None]) / side
    boxes[..., 2:] = np.square(found[..., 2:]) if head.settings["sqrt"] else found[..., 2:]
    return Predictions(boxes.reshape(-1, 4), objectness, np.repeat(classes, count, 0))


def _placed(x: Array, y: Array, sizes: Array, anchors: Array) -> Array:
    """``(anchors, h, w, 4)`` from positions in the cell and sizes ``(anchors, 2, h, w)``."""
    rows, columns = x.shape[1:]
    width, height = (sizes[:, axis] * anchors[:, axis, None, None] for axis in (0, 1))
    x, y = (np.arange(columns) + x) / columns, (np.arange(rows)[:, None] + y) / rows
    return np.stack([x, y, width, height], -1)


def _scaled(head: BoxHead, centres: Array) -> Array:
    scale = head.settings["scale_x_y"] if head.alexeyab else 1.0
    return centres * scale - 0.5 * (scale - 1)


def _exp(values: Array) -> Array:
    with np.errstate(over="ignore"):
        return np.asarray(np.exp(values))
