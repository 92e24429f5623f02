"""Gradient of ``[region]`` (YOLOv2) for the layer before it in training.

Format facts: ``forward_region_layer``, ``delta_region_box`` and ``delta_region_class`` in
``src/region_layer.c``. The pull towards the anchors of the first 12,800 images is left out:
a network that is pruned has seen them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from prunus.plugin import UsageError
from prunus_darknet.boxes.decode import region_boxes, region_values
from prunus_darknet.boxes.head import BoxHead
from prunus_darknet.boxes.iou import iou
from prunus_darknet.losses.yolo import Array, Deltas


def region_deltas(head: BoxHead, raw: Array, truths: Sequence[Array]) -> Deltas:
    """Deltas of a batch; arguments as of ``yolo_deltas``.

    Raises:
        UsageError: the layer predicts masks or a class tree.
    """
    if head.settings["coords"] != 4 or head.settings["background"] or head.tree:
        raise UsageError(
            f"layer {head.index}: training a region layer with coords other than 4, with "
            "background or with a class tree is not supported; use --distill"
        )
    samples = [_sample(head, one, boxes) for one, boxes in zip(raw, truths, strict=True)]
    values = np.stack([delta.reshape(raw.shape[1:]) for delta in samples])
    return Deltas(values, float(np.square(values).sum()))


def _sample(head: BoxHead, raw: Array, truths: Array) -> Array:
    """``(anchors, 5 + classes, h, w)`` deltas of one sample."""
    out = region_values(head, raw.astype(np.float64))
    boxes = region_boxes(head, out)
    delta = np.zeros_like(out)
    delta[:, 4] = -head.settings["noobject_scale"] * out[:, 4]
    truths = truths[truths[:, 1] > 0]
    if len(truths):
        best = iou(boxes[..., None, :], truths[:, 1:]).max(-1)
        delta[:, 4][best > head.settings["thresh"]] = 0
    for truth in truths:
        _assign(head, out, boxes, delta, truth)
    return delta


def _assign(head: BoxHead, out: Array, boxes: Array, delta: Array, truth: Array) -> None:
    """The cell of its centre and the best prediction (or anchor) there answer for a truth."""
    rows, columns = out.shape[2:]
    column, row = int(truth[1] * columns), int(truth[2] * rows)
    if not (0 <= column < columns and 0 <= row < rows):
        return
    anchors = np.array(head.anchors) / (columns, rows)
    sizes = anchors if head.settings["bias_match"] else boxes[:, row, column, 2:]
    shapes = np.concatenate([np.zeros_like(sizes), sizes], 1)
    best = int(iou(shapes, np.array([0, 0, *truth[3:]])).argmax())
    own, pull = out[best, :, row, column], delta[best, :, row, column]
    size = np.log(truth[3:] / anchors[best])
    wanted = np.array([truth[1] * columns - column, truth[2] * rows - row, *size])
    pull[:4] = head.settings["coord_scale"] * (2 - truth[3] * truth[4]) * (wanted - own[:4])
    goal = 1.0
    if head.settings["rescore"]:
        goal = float(iou(boxes[best, row, column], truth[1:]))
    pull[4] = head.settings["object_scale"] * (goal - own[4])
    classes, scores = pull[5:], own[5:]
    scale, chosen = head.settings["class_scale"], int(truth[0])
    if classes[0] and not head.settings["softmax"]:
        classes[chosen] = scale * (1 - scores[chosen])
    else:
        classes[:] = scale * ((np.arange(head.classes) == chosen) - scores)
