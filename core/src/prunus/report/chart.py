"""Small line charts: scales, ticks and paths in pixels."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from prunus.report.numbers import ticks

_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 18, 6, 20
"""Margins for the numbers at the axes."""


@attrs.frozen
class Mark:
    """One measured point: its place, and the values it stands for."""

    x: float
    y: float
    low: float
    high: float
    text: str


@attrs.frozen
class Tick:
    """A number at an axis."""

    at: float
    text: str


@attrs.frozen
class Chart:
    """One curve, in pixels.

    Attributes:
        title: What is shown.
        width, height: Of the whole chart.
        left, right, top, bottom: Edges of the plot.
        marks: Measured points.
        line, band: SVG paths through the points and around their intervals; no band without any.
        across, up: Ticks of the two axes.
        level: Height of the value before anything was removed.
        chosen: Place of the choice that was made, if any.
    """

    title: str
    width: int
    height: int
    left: float
    right: float
    top: float
    bottom: float
    marks: tuple[Mark, ...]
    line: str
    band: str
    across: tuple[Tick, ...]
    up: tuple[Tick, ...]
    level: float
    chosen: float | None


@attrs.frozen
class Points:
    """What a chart shows.

    Attributes:
        title: Its name.
        x, y: Values of the points, x ascending.
        errors: Half-widths of their intervals; 0 for none.
        texts: What to say about each.
        chosen: x of the choice that was made.
    """

    title: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    errors: tuple[float, ...]
    texts: tuple[str, ...]
    chosen: float | None = None


def charts_of(
    curves: Sequence[Points], level: float, width: int = 262, height: int = 130
) -> tuple[Chart, ...]:
    """Charts of one scale, x from 0 to 1.

    Args:
        curves: One a chart.
        level: Value without any change.
        width: Pixels of one chart.
        height: Pixels of one chart.
    """
    lows = [y - e for curve in curves for y, e in zip(curve.y, curve.errors, strict=True)]
    highs = [y + e for curve in curves for y, e in zip(curve.y, curve.errors, strict=True)]
    low, high = min((level, *lows)), max((level, *highs))
    room = 0.05 * (high - low) or 0.05 * abs(high) or 0.05
    return tuple(_chart(curve, level, (low - room, high + room), width, height) for curve in curves)


def _chart(
    curve: Points, level: float, bounds: tuple[float, float], width: int, height: int
) -> Chart:
    low, high = bounds
    right, bottom = width - _RIGHT, height - _BOTTOM

    def across(value: float) -> float:
        return round(_LEFT + value * (right - _LEFT), 1)

    def up(value: float) -> float:
        return round(bottom - (value - low) / (high - low) * (bottom - _TOP), 1)

    marks = tuple(
        Mark(across(x), up(y), up(y - error), up(y + error), text)
        for x, y, error, text in zip(curve.x, curve.y, curve.errors, curve.texts, strict=True)
    )
    start = f"M{across(0):g} {up(level):g}"
    line = start + "".join(f"L{mark.x:g} {mark.y:g}" for mark in marks)
    back = "".join(f"L{mark.x:g} {mark.low:g}" for mark in reversed(marks))
    band = start + "".join(f"L{mark.x:g} {mark.high:g}" for mark in marks) + back + "Z"
    return Chart(
        curve.title,
        width,
        height,
        _LEFT,
        right,
        _TOP,
        bottom,
        marks,
        line,
        band if any(curve.errors) else "",
        tuple(Tick(across(share), f"{100 * share:.0f} %") for share in (0, 0.5, 1)),
        tuple(Tick(up(value), f"{value:.4g}") for value in ticks(low, high)),
        up(level),
        None if curve.chosen is None else across(curve.chosen),
    )
