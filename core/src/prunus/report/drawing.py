"""A network from left to right, cut into pieces that a page sets side by side like words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import sqrt

import attrs

from prunus.report.blocks import Block
from prunus.report.facts import LayerFacts
from prunus.report.layout import Layout, arranged
from prunus.report.numbers import short
from prunus.report.palette import step_of

_PIECE = 112
"""Pixels of a piece of several columns; small ones fill a telephone's width as well as a page."""

_WHOLE, _PITCH, _WIDEST = 1088, 28, 160
"""Pixels of a page, least and most pixels of a column."""

_NAMED = 80
"""Pixels of a column from which names fit below the bars."""

_BAR, _LEAST, _MOST = 16, 12, 56
"""Width of a bar; heights of one channel and of the widest layer."""

_LANE, _LINK, _EDGE = 68, 12, 8
"""Heights of a lane of bars, of a lane of links, and of the margin."""

_LETTER = 7
"""Pixels of one character of a name below a bar."""


@attrs.frozen
class Bar:
    """One part, in pixels of its piece.

    Attributes:
        block: The part.
        facts: Its counts; ``None`` for joins and inputs.
        x, y: Its centre.
        height: Of the bar.
        filled: Height of the part of the bar that stays, from below.
        step: Colour of the ramp, 0 to 5.
        lines: What there is to say about it, the name first.
        name, below: Label below the bar, where there is room.
    """

    block: Block
    facts: LayerFacts | None
    x: float
    y: float
    height: float
    filled: float
    step: int
    lines: tuple[str, ...]
    name: str = ""
    below: str = ""

    @property
    def width(self) -> int:
        """Width of the bar."""
        return _BAR

    @property
    def label_y(self) -> float:
        """Base line of the label."""
        return self.y + _MOST / 2 + 16

    @property
    def group(self) -> str:
        """The same text for parts whose channels go together; empty for others."""
        facts = self.facts
        return (
            "" if facts is None or not facts.tied else " ".join(sorted((facts.layer, *facts.tied)))
        )

    @property
    def protected(self) -> bool:
        """Whether all of it has to stay."""
        facts = self.facts
        return facts is not None and bool(facts.reasons) and facts.kept == facts.size


@attrs.frozen
class Piece:
    """Some columns of the drawing.

    Attributes:
        left: Its first pixel in the whole drawing, which the links count from.
        width, height: Pixels.
        bars: Parts in it.
        links: SVG paths that cross it; what lies outside is cut off.
    """

    left: int
    width: int
    height: int
    bars: tuple[Bar, ...]
    links: tuple[str, ...]


def draw(blocks: Sequence[Block], facts: Mapping[str, LayerFacts]) -> tuple[Piece, ...]:
    """Draw the parts of a network.

    Args:
        blocks: The parts.
        facts: Node name -> counts of its layer.
    """
    layout = arranged([block.sources for block in blocks])
    pitch = max(_PITCH, min(_WIDEST, _WHOLE // max(layout.width, 1)))
    lane = _LANE + (30 if pitch >= _NAMED else 0)
    above = _EDGE - _LINK * min((0, *layout.links.values()))

    def level(number: int) -> float:
        middle = above + _LANE / 2
        return middle + number * lane if number >= 0 else above + number * _LINK + _LINK / 2

    places = [
        ((column + 0.5) * pitch, level(number))
        for column, number in zip(layout.columns, layout.lanes, strict=True)
    ]
    largest = max((one.size for one in facts.values()), default=1)
    bars = [
        _bar(block, facts.get(block.node), place, largest, pitch // _LETTER * (pitch >= _NAMED))
        for block, place in zip(blocks, places, strict=True)
    ]
    links = _links(blocks, layout, places, pitch, level)
    columns = max(1, _PIECE // pitch)
    return tuple(
        _piece(bars, links, (start * pitch, min(start + columns, layout.width) * pitch), lane)
        for start in range(0, layout.width, columns)
    )


def describe(block: Block, facts: LayerFacts | None) -> tuple[str, ...]:
    """What there is to say about a part, its name first."""
    if facts is None:
        known = [f"{block.layer}: {'input' if block.kind == 'input' else block.operator}"]
    else:
        known = [f"{facts.layer}: {facts.operator} {facts.shape}", facts.fate]
        if facts.macs:
            known.append(f"MACs {_pair(facts.macs, facts.kept_macs)}")
        known.append(f"parameters {_pair(facts.params, facts.kept_params)}")
        if facts.tied:
            known.append(f"its channels go together with those of {', '.join(facts.tied)}")
        known += [f"protected: {reason}" for reason in facts.reasons]
    if block.followed:
        known.append(f"then {', '.join(block.followed)}")
    if block.outputs:
        known.append(f"gives the output {', '.join(block.outputs)}")
    return tuple(known)


def _pair(before: int, after: int) -> str:
    return short(before) if before == after else f"{short(before)} → {short(after)}"


def _bar(
    block: Block, facts: LayerFacts | None, place: tuple[float, float], largest: int, letters: int
) -> Bar:
    """A part at its place; named below with at most so many letters, or not at all."""
    height = filled = float(_BAR)
    step = 0
    if facts is not None:
        height = _LEAST + (_MOST - _LEAST) * sqrt(facts.size / largest)
        filled = height * (1 - facts.removed)
        step = step_of(facts.removed)
    counts = "" if facts is None else _counts(facts)
    return Bar(
        block,
        facts,
        *place,
        round(height, 1),
        round(filled, 1),
        step,
        describe(block, facts),
        _shortened(block.layer, letters) if letters else "",
        counts if letters else "",
    )


def _counts(facts: LayerFacts) -> str:
    if facts.kept == facts.size:
        return short(facts.size)
    return f"{short(facts.kept)} of {short(facts.size)}"


def _shortened(name: str, letters: int) -> str:
    half = letters // 2
    return name if len(name) <= letters else f"{name[: half - 1]}…{name[-half:]}"


@attrs.frozen
class _Link:
    """First and last pixel across, the lowest pixel, and the SVG path."""

    first: float
    last: float
    lowest: float
    path: str


def _links(
    blocks: Sequence[Block],
    layout: Layout,
    places: Sequence[tuple[float, float]],
    pitch: int,
    level: Callable[[int], float],
) -> list[_Link]:
    found = []
    for target, block in enumerate(blocks):
        for source in block.sources:
            (x1, y1), (x2, y2) = places[source], places[target]
            lane = layout.links.get((source, target))
            middle = None if lane is None else level(lane)
            path = _path(x1, y1, x2, y2, pitch, middle)
            found.append(_Link(x1, x2, max(y1, y2, middle or 0), path))
    return found


def _path(x1: float, y1: float, x2: float, y2: float, pitch: int, middle: float | None) -> str:
    """A line from centre to centre: straight, bent once, or along a lane between."""
    half = pitch / 2
    if middle is None:
        bend = "" if y1 == y2 else f"C{x1 + half:g} {y1:g} {x2 - half:g} {y2:g} {x2:g} {y2:g}"
        return f"M{x1:g} {y1:g}" + (bend or f"H{x2:g}")
    left, right = x1 + pitch, x2 - pitch
    return (
        f"M{x1:g} {y1:g}C{x1 + half:g} {y1:g} {left - half:g} {middle:g} {left:g} {middle:g}"
        f"H{right:g}C{right + half:g} {middle:g} {x2 - half:g} {y2:g} {x2:g} {y2:g}"
    )


def _piece(
    bars: Sequence[Bar], links: Sequence[_Link], bounds: tuple[int, int], lane: int
) -> Piece:
    """The columns within bounds; it ends below the lowest lane that is used there."""
    left, right = bounds
    inside = tuple(attrs.evolve(bar, x=bar.x - left) for bar in bars if left <= bar.x < right)
    crossing = [link for link in links if link.first < right and link.last > left]
    lowest = max((*(bar.y for bar in inside), *(link.lowest for link in crossing)))
    height = round(lowest + lane - _LANE / 2 + _EDGE)
    return Piece(left, right - left, height, inside, tuple(link.path for link in crossing))
