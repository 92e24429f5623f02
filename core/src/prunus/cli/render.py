"""Results as tables for people or JSON for programs."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console, JustifyMethod
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from prunus.cli.terminal import printable, say

if TYPE_CHECKING:
    from prunus import training
    from prunus.sensitivity import Sensitivity
    from prunus.statistics import Statistics
    from prunus.steps.report import Report
    from prunus.task import Measurement

_WIDE = 100
"""Columns from which a terminal has room for whole names and four digits of every curve."""

_LABEL, _NARROW_LABEL = 48, 28
"""Characters of a group's name that a table shows in full, in a wide and in a narrow terminal."""


def show(result: Report | Statistics | Sensitivity, *, as_json: bool) -> None:
    """Print a result on stdout, its notes on stderr."""
    if as_json:
        click.echo(json.dumps(result.to_json(), indent=1))
        return
    from prunus.statistics import Statistics
    from prunus.steps.report import Report

    console = new_console()
    if isinstance(result, Report):
        _report(console, result)
    elif isinstance(result, Statistics):
        _statistics(console, result)
    else:
        _sensitivity(console, result)


def notes(lines: Sequence[str]) -> None:
    """Notes go to stderr."""
    for line in lines:
        say(line if line.startswith("warning: ") else f"note: {line}", err=True)


@contextmanager
def counting(title: str) -> Iterator[Any]:
    """Progress of work whose parts are counted: ``report(done, total)``."""
    with _progress() as progress:
        task = progress.add_task(title, total=None)

        def report(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

        yield report


@contextmanager
def training_progress() -> Iterator[Any]:
    """Progress of training: loss, learning rate, metric, time left."""
    with _progress(TextColumn("{task.fields[state]}")) as progress:
        task = progress.add_task("finetune", total=None, state="")

        def report(now: training.Progress) -> None:
            state = f"loss {now.loss:.4f}  lr {now.learning_rate:.2g}"
            if now.metric is not None:
                state += f"  metric {now.metric.value:.4f}"
            progress.update(task, completed=now.iteration, total=now.iterations, state=state)

        yield report


def _progress(*more: TextColumn) -> Progress:
    """A bar on a terminal; a file or a pipe would get an empty line of it."""
    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        *more,
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )


def _report(console: Console, report: Report) -> None:
    if report.groups:
        table = new_table("group", "channels>", "kept>", "ratio>", "MACs>", "MACs kept>")
        for row in report.groups:
            ratio = 1 - row.kept / row.channels
            table.add_row(
                group_label(row.group, console.width),
                str(row.channels),
                str(row.kept),
                f"{ratio:.2f}",
                f"{row.macs:,}",
                f"{row.kept_macs:,}",
            )
        console.print(table)
    if report.stages:
        console.print(_stages(report))
    _facts(console, report)
    notes(report.notes)
    for path in report.files:
        say(f"wrote {path}", err=True)
    if report.next:
        say(f"next: {_continued(report.next)}", err=True)


def _continued(command: str) -> str:
    """A command of the next step, about the same configuration and workspace."""
    context = click.get_current_context(silent=True)
    given = {} if context is None else context.params
    words = [command]
    for option in ("config", "workspace"):
        if given.get(option) is not None:
            words.append(f"--{option} {shlex.quote(str(given[option]))}")
    return " ".join(words)


def group_label(name: str, width: int) -> str:
    """A group's name, or its first layer and how many more are tied to it; ``stat`` lists all."""
    layers = name.split("+")
    if len(name) <= (_LABEL if width >= _WIDE else _NARROW_LABEL) or len(layers) == 1:
        return name
    return f"{layers[0]} + {len(layers) - 1} more"


def _stages(report: Report) -> Table:
    first = report.stages[0]
    table = new_table(
        "network",
        f"{report.metric or 'metric'}>",
        "params>",
        "MACs>",
        "MACs removed>",
        "bytes>",
        "ms>",
    )
    for stage in report.stages:
        removed = 1 - stage.macs / first.macs if first.macs else 0.0
        table.add_row(
            stage.name,
            "not measured" if stage.metric is None else _measured(stage.metric),
            f"{stage.params:,}",
            f"{stage.macs:,}",
            f"{removed:.2%}",
            "" if stage.bytes is None else f"{stage.bytes:,}",
            "" if stage.milliseconds is None else f"{stage.milliseconds:.3f}",
        )
    return table


def _measured(found: Measurement) -> str:
    return f"{found.value:.4f}" + (f" ± {found.error:.4f}" if found.error else "")


def _facts(console: Console, report: Report) -> None:
    asked, rate = report.facts.get("rate_asked"), report.facts.get("rate")
    if rate is not None:
        console.print(f"rate {rate:.4f}" + (f" (asked {asked:g})" if asked is not None else ""))
    proof = report.facts.get("proof")
    if proof:
        console.print(_proof(report, proof), soft_wrap=True)
    elif "proof" in report.facts:
        console.print("proof: left out")


def _proof(report: Report, proof: Mapping[str, Any]) -> str:
    exact = report.facts.get("exact", True)
    if report.step == "transform":
        equal = f"written files equal the {'masked' if exact else 'compact'} network"
    elif exact:
        equal = "the compact network equals the masked one"
    else:
        return f"proof: the compact network gives finite numbers for {proof['samples']} inputs"
    return (
        f"proof: {equal} on {proof['samples']} inputs, largest relative error {proof['error']:.1e}"
    )


def _statistics(console: Console, found: Statistics) -> None:
    table = new_table("layer", "operator", "output>", "params>", "MACs>")
    for row in found.layers:
        shape = "×".join(map(str, row.output))
        table.add_row(
            row.layer,
            row.operator,
            shape,
            f"{row.params:,}",
            f"{row.macs:,}" if row.macs else "",
        )
    table.add_section()
    table.add_row("total", "", "", f"{found.params:,}", f"{found.macs:,}")
    console.print(table)
    if found.operations is not None:
        console.print(
            f"{found.operations:,} operations as the legacy tools count them "
            "(convolutions alone, 2 a MAC and 1 a bias)"
        )
    groups = new_table("group", "channels>", "exact")
    for line in found.groups:
        groups.add_row(line.group, str(line.channels), "yes" if line.exact else "no (LRN)")
    console.print(groups)
    protected = new_table("protected layer", "channels>", "reason")
    for entry in found.protected:
        protected.add_row(entry.layer, str(entry.channels), entry.reason)
    console.print(protected)
    notes(found.notes)


def _sensitivity(console: Console, found: Sensitivity) -> None:
    ratios = sorted({point.ratio for curve in found.curves for point in curve.points})
    table = new_table("group", "channels>", *(f"{ratio:g}>" for ratio in ratios))
    table.collapse_padding = console.width < _WIDE
    digits = 4 if console.width >= _WIDE else 3
    for curve in found.curves:
        values = {point.ratio: f"{point.value:.{digits}f}" for point in curve.points}
        row = (values.get(ratio, "") for ratio in ratios)
        table.add_row(group_label(curve.group, console.width), str(curve.size), *row)
    console.print(table)
    metric = printable(found.metric)
    console.print(f"{metric} of the whole network: {_measured(found.baseline)}")


class PlainTable(Table):
    """Cells are text as it is: no markup, nothing that steers a terminal."""

    def add_row(self, *cells: Any, **options: Any) -> None:
        """Add a row of texts."""
        super().add_row(*(Text(printable(str(cell))) for cell in cells), **options)


def new_console() -> Console:
    """For stdout: the terminal's width, or room enough where nobody's eyes set a limit."""
    plain = Console(highlight=False, markup=False)
    return plain if plain.is_terminal else Console(highlight=False, markup=False, width=160)


def new_table(*columns: str) -> Table:
    """Columns ending in ``>`` are right-aligned numbers, which are never broken."""
    table = PlainTable(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        right = column.endswith(">")
        justify: JustifyMethod = "right" if right else "left"
        head = Text(printable(column.rstrip(">")))
        table.add_column(head, justify=justify, overflow="fold", no_wrap=right)
    return table
