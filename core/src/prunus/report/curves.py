"""Sensitivity as charts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from prunus.report.chart import Chart, Points, charts_of
from prunus.report.numbers import measured, percent

if TYPE_CHECKING:
    from prunus.sensitivity import Curve, Sensitivity

_INTERVAL = 1.96
"""Standard errors on each side of a 95 % interval of a normal distribution."""


def sensitivity_charts(
    sensitivity: Sensitivity, removed: Mapping[str, float] | None = None
) -> tuple[Chart, ...]:
    """One chart a group, all of one scale, in the network's order.

    Args:
        sensitivity: What was measured.
        removed: Group name -> share that a plan removes.
    """
    points = [_points(curve, None if removed is None else removed.get(curve.group, 0.0))
              for curve in sensitivity.curves]  # fmt: skip
    return charts_of(points, sensitivity.baseline.value)


def _points(curve: Curve, chosen: float | None) -> Points:
    shares = tuple(1 - point.kept / curve.size for point in curve.points)
    return Points(
        curve.group,
        shares,
        tuple(point.value for point in curve.points),
        tuple(_INTERVAL * point.error for point in curve.points),
        tuple(
            f"{percent(share)} removed: {measured(point.value, point.error)}"
            for share, point in zip(shares, curve.points, strict=True)
        ),
        chosen,
    )
