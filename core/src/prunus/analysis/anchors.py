"""A curve from few measured points: the ratio to measure next, and what lies between the points.

The local error is known at every ratio. Between measured points the distance of the outputs is a
power of it, and the loss is what is expected from the distance (`prunus.analysis.link`), corrected
at the points.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import numpy as np

from prunus.analysis.link import Link, Numbers

_POWERS = (1.0, 2.0)
"""Bounds on the power, beyond the measured points."""

_TINY = 1e-12

_NOTHING = 1e-6
"""Expected loss below which there is nothing to correct."""


@attrs.frozen
class Anchor:
    """A measured point.

    Attributes:
        trial: Its number among the trials of a group, ratios ascending.
        distance: Distance of the outputs from the original network's.
        loss: Metric lost.
        error: Standard error of the loss.
    """

    trial: int
    distance: float
    loss: float
    error: float


def next_trial(count: int, anchors: Sequence[Anchor], knee: float) -> int | None:
    """The trial that halves what is left between losses up to ``knee`` and losses above it.

    Args:
        count: Trials of the group.
        anchors: Points measured so far, each chosen by this function.
        knee: A loss that matters.

    Returns:
        Its number; ``None`` where the knee lies between neighbours.
    """
    low = max((one.trial for one in anchors if one.loss <= knee), default=-1)
    high = min((one.trial for one in anchors if one.loss > knee), default=count)
    middle = (low + high + 1) // 2
    return middle if low < middle < high else None


def last_trial(count: int, anchors: Sequence[Anchor], knee: float) -> int | None:
    """The last trial, where no measured point loses more than ``knee`` and it is none of them."""
    known = any(one.loss > knee or one.trial == count - 1 for one in anchors)
    return None if known or not count else count - 1


def joined(local: Numbers, anchors: Sequence[Anchor], link: Link) -> tuple[Numbers, Numbers]:
    """Loss and standard error of every trial; losses rise with the ratio.

    Args:
        local: ``(T,)`` local error of every trial, ratios ascending.
        anchors: Measured points, one at least.
        link: What a distance is expected to cost.
    """
    points = sorted(anchors, key=lambda one: one.trial)
    numbers = [one.trial for one in points]
    axis = np.log(np.maximum(np.maximum.accumulate(local), _TINY))
    expected = link.expected(_distances(axis, points))
    known = expected[numbers]
    counted = np.where(known > _NOTHING, known, 1.0)

    def along(values: Sequence[float], neutral: float) -> Numbers:
        """What is expected, times the ratio of measured values to it."""
        factors = np.where(known > _NOTHING, np.array(values) / counted, neutral)
        found = expected * np.interp(axis, axis[numbers], factors)
        found[numbers] = values
        return np.asarray(found)

    losses = along([one.loss for one in points], 1.0)
    return np.maximum.accumulate(losses), along([one.error for one in points], 0.0)


def _distances(axis: Numbers, points: Sequence[Anchor]) -> Numbers:
    """Distance of every trial: a power of the local error between points and beyond them."""
    ends = axis[[one.trial for one in points]]
    heights = np.log(
        np.maximum(np.maximum.accumulate([min(one.distance, 1e12) for one in points]), _TINY)
    )
    width = float(ends[-1] - ends[0])
    power = np.clip((heights[-1] - heights[0]) / width, *_POWERS) if width > 0 else _POWERS[0]
    outside = np.minimum(axis - ends[0], 0) + np.maximum(axis - ends[-1], 0)
    return np.asarray(np.exp(np.interp(axis, ends, heights) + power * outside))
