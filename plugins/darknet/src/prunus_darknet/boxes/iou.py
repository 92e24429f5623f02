"""Boxes as (centre x, centre y, width, height): overlap measures and Darknet's gradient of them.

Format facts: ``box_iou`` in Darknet's ``src/box.c``; ``box_giou``, ``box_diou``,
``box_ciou`` and ``dx_box_iou`` in the AlexeyAB fork's.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Boxes = NDArray[np.float64]

KINDS = ("mse", "iou", "giou", "diou", "ciou")
_TINY = 1e-12


def iou(first: Boxes, second: Boxes) -> NDArray[np.float64]:
    """Intersection over union of ``(..., 4)`` boxes, broadcast against each other."""
    low = np.maximum(_low(first), _low(second))
    high = np.minimum(_high(first), _high(second))
    inner = np.prod(np.maximum(high - low, 0), -1)
    union = np.prod(first[..., 2:], -1) + np.prod(second[..., 2:], -1) - inner
    return np.asarray(inner / np.maximum(union, _TINY))


def overlap(predicted: Boxes, truth: Boxes, kind: str) -> Boxes:
    """IoU, or its generalised, distance or complete form, ``(...)`` of ``(..., 4)`` boxes."""
    plain = iou(predicted, truth)
    size = _hull(predicted, truth)
    if kind == "giou":
        hull = np.maximum(np.prod(size, -1), _TINY)
        union = (np.prod(predicted[..., 2:], -1) + np.prod(truth[..., 2:], -1)) / (1 + plain)
        return np.asarray(plain - (hull - union) / hull)
    value = plain
    if kind in ("diou", "ciou"):
        distance = np.square(predicted[..., :2] - truth[..., :2]).sum(-1)
        value = value - distance / np.maximum(np.square(size).sum(-1), _TINY)
    if kind == "ciou":
        value = value - _shape_weight(predicted, truth, plain) * _shape_loss(predicted, truth)
    return value


def iou_gradient(predicted: Boxes, truth: Boxes, kind: str) -> Boxes:
    """``(..., 4)`` gradient with respect to centre and size, as ``dx_box_iou`` gives it.

    Darknet's conventions: the overlap's share for width and height is twice the
    derivative ("we do not divide by 2"), and the shape term of ``ciou`` leaves out the
    division by w² + h², as its authors do.

    Args:
        predicted: ``(..., 4)`` boxes.
        truth: ``(..., 4)`` boxes, as many.
        kind: One of `KINDS`, ``mse`` excepted.
    """
    low, high, truth_low, truth_high = _low(predicted), _high(predicted), _low(truth), _high(truth)
    inner_size = np.minimum(high, truth_high) - np.maximum(low, truth_low)
    meets = (inner_size > 0).all(-1, keepdims=True)
    inner = np.where(meets, np.prod(inner_size, -1, keepdims=True), 0.0)
    areas = np.prod(predicted[..., 2:], -1, keepdims=True) + np.prod(truth[..., 2:], -1)[..., None]
    union = areas - inner
    # corners in the order left, top, right, bottom: an edge moves the other side's length
    other, inner_other = predicted[..., [3, 2]], inner_size[..., ::-1]
    d_area = np.concatenate([-other, other], -1)
    nearer = np.concatenate([-1.0 * (low > truth_low), 1.0 * (high < truth_high)], -1)
    d_inner = np.where(meets, np.concatenate([inner_other, inner_other], -1) * nearer, 0.0)
    d_union = d_area - d_inner
    corners = (union * d_inner - inner * d_union) / np.maximum(union * union, _TINY)
    size = _hull(predicted, truth)
    outer = np.concatenate([-1.0 * (low < truth_low), 1.0 * (high > truth_high)], -1)
    if kind == "giou":
        hull = np.maximum(np.prod(size, -1, keepdims=True), _TINY)
        d_hull = outer * size[..., [1, 0, 1, 0]]
        growth = (hull * d_union - union * d_hull) / (hull * hull)
        corners = np.where(meets, corners + growth, growth)
    gradient = np.concatenate(
        [corners[..., :2] + corners[..., 2:], corners[..., 2:] - corners[..., :2]], -1
    )
    if kind in ("diou", "ciou"):
        gradient = gradient * meets + _distance_gradient(predicted, truth, size, outer)
    if kind == "ciou":
        plain = (inner / np.maximum(union, _TINY))[..., 0]
        gradient[..., 2:] += _shape_gradient(predicted, truth, plain)
    return np.asarray(gradient)


def _distance_gradient(predicted: Boxes, truth: Boxes, size: Boxes, outer: Boxes) -> Boxes:
    """Of minus squared centre distance over squared diagonal of the hull."""
    diagonal = np.maximum(np.square(size).sum(-1, keepdims=True), _TINY)
    apart = truth[..., :2] - predicted[..., :2]
    distance = np.square(apart).sum(-1, keepdims=True)
    by_centre = 2 * size * (outer[..., :2] + outer[..., 2:])
    by_size = size * (outer[..., 2:] - outer[..., :2])
    return np.concatenate(
        [
            (2 * apart * diagonal - by_centre * distance) / diagonal**2,
            by_size * distance / diagonal**2,
        ],
        -1,
    )


def _angle(predicted: Boxes, truth: Boxes) -> Boxes:
    own = predicted[..., 2] / np.maximum(predicted[..., 3], _TINY)
    wanted = truth[..., 2] / np.maximum(truth[..., 3], _TINY)
    return np.asarray(np.arctan(wanted) - np.arctan(own))


def _shape_loss(predicted: Boxes, truth: Boxes) -> Boxes:
    return np.asarray(4 / np.pi**2 * _angle(predicted, truth) ** 2)


def _shape_weight(predicted: Boxes, truth: Boxes, plain: Boxes) -> Boxes:
    loss = _shape_loss(predicted, truth)
    return loss / (1 - plain + loss + 1e-6)


def _shape_gradient(predicted: Boxes, truth: Boxes, plain: Boxes) -> Boxes:
    across = np.stack([predicted[..., 3], -predicted[..., 2]], -1)
    pull = 8 / np.pi**2 * _angle(predicted, truth) * _shape_weight(predicted, truth, plain)
    return np.asarray(pull[..., None] * across)


def _hull(first: Boxes, second: Boxes) -> Boxes:
    """``(..., 2)`` width and height of the smallest box around both."""
    return np.maximum(_high(first), _high(second)) - np.minimum(_low(first), _low(second))


def _low(boxes: Boxes) -> Boxes:
    return boxes[..., :2] - boxes[..., 2:] / 2


def _high(boxes: Boxes) -> Boxes:
    return boxes[..., :2] + boxes[..., 2:] / 2
