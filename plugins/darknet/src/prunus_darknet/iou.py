"""Boxes as (centre x, centre y, width, height): overlap measures and Darknet's gradient of them.

Format facts: ``box_iou`` in Darknet's ``src/box.c``; ``box_giou``, ``box_diou``,
``box_ciou`` and ``dx_box_iou`` in the AlexeyAB line's.
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


def overlap(predicted: Boxes, truth: Boxes, kind: str) -> float:
    """IoU, or its generalised, distance or complete form, of two ``(4,)`` boxes."""
    value = float(iou(predicted, truth))
    low = np.minimum(_low(predicted), _low(truth))
    size = np.maximum(_high(predicted), _high(truth)) - low
    if kind == "giou":
        hull = max(float(np.prod(size)), _TINY)
        areas = float(np.prod(predicted[2:]) + np.prod(truth[2:]))
        union = areas / (1 + value)
        return value - (hull - union) / hull
    if kind in ("diou", "ciou"):
        distance = float(np.square(predicted[:2] - truth[:2]).sum())
        value -= distance / max(float(np.square(size).sum()), _TINY)
    if kind == "ciou":
        plain = float(iou(predicted, truth))
        value -= _shape_weight(predicted, truth, plain) * _shape_loss(predicted, truth)
    return value


def iou_gradient(predicted: Boxes, truth: Boxes, kind: str) -> Boxes:
    """``(4,)`` gradient with respect to centre and size, as ``dx_box_iou`` gives it.

    Darknet's conventions: the overlap's share for width and height is twice the
    derivative ("we do not divide by 2"), and the shape term of ``ciou`` leaves out the
    division by w² + h², as its authors do.
    """
    (left, top), (right, bottom) = _low(predicted), _high(predicted)
    (tl, tt), (tr, tb) = _low(truth), _high(truth)
    wide = min(right, tr) - max(left, tl)
    high = min(bottom, tb) - max(top, tt)
    meets = wide > 0 and high > 0
    inner = wide * high if meets else 0.0
    width, height = predicted[2:]
    union = width * height + float(np.prod(truth[2:])) - inner
    # corners in the order left, top, right, bottom
    d_area = np.array([-height, -width, height, width])
    d_inner = np.array(
        [-high * (left > tl), -wide * (top > tt), high * (right < tr), wide * (bottom < tb)]
    ) * float(meets)
    d_union = d_area - d_inner
    corners = (union * d_inner - inner * d_union) / max(union * union, _TINY)
    size = np.maximum(_high(predicted), _high(truth)) - np.minimum(_low(predicted), _low(truth))
    outer = np.array([-1.0 * (left < tl), -1.0 * (top < tt), right > tr, bottom > tb], float)
    if kind == "giou":
        hull = max(float(np.prod(size)), _TINY)
        d_hull = outer * size[[1, 0, 1, 0]]
        growth = (hull * d_union - union * d_hull) / (hull * hull)
        corners = corners + growth if meets else growth
    gradient = np.array(
        [
            corners[0] + corners[2],
            corners[1] + corners[3],
            corners[2] - corners[0],
            corners[3] - corners[1],
        ]
    )
    if kind in ("diou", "ciou"):
        gradient = gradient * float(meets) + _distance_gradient(predicted, truth, size, outer)
    if kind == "ciou":
        gradient[2:] += _shape_gradient(predicted, truth, inner / max(union, _TINY))
    return gradient


def _distance_gradient(predicted: Boxes, truth: Boxes, size: Boxes, outer: Boxes) -> Boxes:
    """Of minus squared centre distance over squared diagonal of the hull."""
    diagonal = max(float(np.square(size).sum()), _TINY)
    apart = truth[:2] - predicted[:2]
    distance = float(np.square(apart).sum())
    by_centre = 2 * size * (outer[:2] + outer[2:])
    by_size = 2 * size * (outer[2:] - outer[:2]) / 2
    return np.concatenate(
        [
            (2 * apart * diagonal - by_centre * distance) / diagonal**2,
            by_size * distance / diagonal**2,
        ]
    )


def _angle(predicted: Boxes, truth: Boxes) -> float:
    own = predicted[2] / max(float(predicted[3]), _TINY)
    return float(np.arctan(truth[2] / max(float(truth[3]), _TINY)) - np.arctan(own))


def _shape_loss(predicted: Boxes, truth: Boxes) -> float:
    return 4 / np.pi**2 * _angle(predicted, truth) ** 2


def _shape_weight(predicted: Boxes, truth: Boxes, plain: float) -> float:
    loss = _shape_loss(predicted, truth)
    return loss / (1 - plain + loss + 1e-6)


def _shape_gradient(predicted: Boxes, truth: Boxes, plain: float) -> Boxes:
    slope = 8 / np.pi**2 * _angle(predicted, truth) * np.array([predicted[3], -predicted[2]])
    return _shape_weight(predicted, truth, plain) * slope


def _low(boxes: Boxes) -> Boxes:
    return boxes[..., :2] - boxes[..., 2:] / 2


def _high(boxes: Boxes) -> Boxes:
    return boxes[..., :2] + boxes[..., 2:] / 2
