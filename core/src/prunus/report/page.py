"""Everything that a report shows, and the templates that show it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import attrs
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from prunus.printable import printable
from prunus.report import numbers
from prunus.report.answers import Classes, Confusion
from prunus.report.chart import Chart
from prunus.report.drawing import Piece
from prunus.report.facts import LayerFacts
from prunus.report.palette import DARK, LIGHT, STEPS, step_of, variables
from prunus.report.pictures import Picture


@attrs.frozen
class Figure:
    """One of the first numbers.

    Attributes:
        name: What is counted.
        before, after: As text; ``before`` is empty where there is only one.
        change: By how much it fell or grew.
        mood: ``good``, ``bad``, or empty.
        more: A few words below.
    """

    name: str
    before: str
    after: str
    change: str = ""
    mood: str = ""
    more: str = ""


@attrs.frozen
class Count:
    """A number in a table, and its share of the first row's for a bar behind it."""

    text: str
    share: float | None = None


@attrs.frozen
class Row:
    """The network after one step."""

    name: str
    round: str
    metric: str
    beside: tuple[str, ...]
    counts: tuple[Count, ...]


@attrs.frozen
class GroupRow:
    """Units of one group, before and after."""

    name: str
    size: int
    kept: int


@attrs.frozen
class Command:
    """A command line that was typed."""

    text: str
    ended: str
    directory: str


@attrs.frozen
class Page:
    """A report; parts that are empty are left out.

    Attributes:
        title: Name of the network.
        about: A line below it.
        warnings: Sentences that come first.
        figures: The first numbers.
        pieces: The drawn network.
        metric: Name of the metric of the curves.
        charts: Sensitivity of every group.
        measures: Names of measures beside the metric of the rows.
        measured: Name of the metric of the rows.
        rows: The network after every step.
        layers: Counts of every layer.
        pictures: Detections before and after.
        confusion: Classes before and after, where there are few.
        classes: The classes that changed most, where there are many.
        samples: On what pictures, confusion and classes were seen.
        commands: What was typed.
        versions: Distribution -> version.
        notes: Further sentences.
        next: The command to go on with.
    """

    title: str
    about: str
    warnings: tuple[str, ...] = ()
    figures: tuple[Figure, ...] = ()
    pieces: tuple[Piece, ...] = ()
    metric: str = ""
    charts: tuple[Chart, ...] = ()
    measured: str = ""
    measures: tuple[str, ...] = ()
    rows: tuple[Row, ...] = ()
    layers: tuple[LayerFacts, ...] = ()
    pictures: tuple[Picture, ...] = ()
    confusion: Confusion | None = None
    classes: Classes | None = None
    samples: str = ""
    commands: tuple[Command, ...] = ()
    versions: Mapping[str, str] = attrs.field(factory=dict)
    notes: tuple[str, ...] = ()
    next: str | None = None


def render(page: Page) -> str:
    """The whole file."""
    return _environment().get_template("page.html").render(page=page)


def fragment(part: str, **values: Any) -> str:
    """One part with its style, for a notebook.

    Args:
        part: Name of its template, without the ending.
        values: What the template names.
    """
    return _environment().get_template("fragment.html").render(part=f"{part}.html", **values)


@cache
def _environment() -> Environment:
    found = Environment(
        loader=PackageLoader("prunus.report"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
        finalize=_shown,
    )
    found.globals |= {
        "light": Markup(variables(LIGHT)),
        "dark": Markup(variables(DARK)),
        "steps": STEPS,
        "step_of": step_of,
        "numbers": numbers,
    }
    return found


def _shown(value: Any) -> Any:
    """Names out of files hold nothing that steers what shows them."""
    return printable(value) if type(value) is str else value
