"""Results as tables for people or JSON for programs."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import click
from rich.console import Console
from rich.table import Table

from prunus.cli.tables import new_console, new_table
from prunus.cli.terminal import say
from prunus.counted import counted
from prunus.printable import printable

if TYPE_CHECKING:
    from prunus.sensitivity import Sensitivity
    from prunus.statistics import Statistics
    from prunus.steps.report import Report, Stage
    from prunus.task import Measurement

_WIDE = 100
"""Columns from which a terminal has room for whole names and four digits of every curve."""

_ROOMY = 120
"""Columns from which the table of networks has room for measures beside the metric."""

BLANK = "blank: the group has no such ratio; its channels go in larger steps"
"""Explains cells of a curve that was not measured everywhere."""

_FEW = 12
"""Groups that a report lists without being asked."""

_LABEL, _NARROW_LABEL = 48, 28
"""Characters of a group's name that a table shows in full, in a wide and in a narrow terminal."""


def show(result: Report | Statistics | Sensitivity, *, as_json: bool) -> None:
    """Print a result on stdout, its notes on stderr."""
    from prunus.statistics import Statistics
    from prunus.steps.report import Report

    if isinstance(result, Report) and result.next:
        result = attrs.evolve(result, next=_continued(result.next))
    if as_json:
        click.echo(json.dumps(result.to_json(), indent=1))
        return
    console = new_console()
    if isinstance(result, Report):
        _report(console, result)
    elif isinstance(result, Statistics):
        _statistics(console, result)
    else:
        _sensitivity(console, result)


def warn(lines: Sequence[str]) -> None:
    """Warnings go to stderr."""
    for line in lines:
        say(f"warning: {line}", err=True)


def notes(lines: Sequence[str]) -> None:
    """Notes go to stderr."""
    for line in lines:
        say(f"note: {line}", err=True)


def wrote(files: Sequence[Path]) -> None:
    """What was written goes to stderr."""
    here = Path.cwd()
    for path in files:
        say(f"wrote {path.relative_to(here) if path.is_relative_to(here) else path}", err=True)


def following(command: str) -> None:
    """The command of the next step goes to stderr, about the same configuration and workspace."""
    say(f"next: {_continued(command)}", err=True)


def _report(console: Console, report: Report) -> None:
    if report.collapse is not None:
        say(f"warning: {report.collapse}")
    if report.stages:
        for table in _stages(report, console.width):
            console.print(table)
    _facts(console, report)
    if report.times:
        console.print(_times(report))
    if report.storage:
        console.print(_storage(report, console.width))
    if report.groups:
        _groups(console, report)
    warn(report.warnings)
    notes(report.notes if report.unmeasured is None else (*report.notes, report.unmeasured))
    wrote(report.files)
    if report.next:
        say(f"next: {report.next}", err=True)


def _groups(console: Console, report: Report) -> None:
    """What happened to each group; of many, only where ``--groups`` asks for them."""
    asked = _given().get("groups")
    if len(report.groups) > _FEW and not asked:
        changed = sum(row.kept < row.channels for row in report.groups)
        hint = "" if asked is None else "; --groups lists them"
        console.print(f"{changed} of {len(report.groups)} groups lose something{hint}")
        return
    single = report.facts.get("granularity", "channel") != "channel"
    units = ("weights>",) if single else ("channels>",)
    macs = () if single else ("MACs>", "MACs kept>")
    table = new_table("group", *units, "kept>", "ratio>", *macs)
    for row in report.groups:
        ratio = 1 - row.kept / row.channels
        table.add_row(
            group_label(row.group, console.width),
            str(row.channels),
            str(row.kept),
            f"{ratio:.2%}" if single else f"{ratio:.0%}",
            *(() if single else (f"{row.macs:,}", f"{row.kept_macs:,}")),
        )
    console.print(table)


def _given() -> Mapping[str, Any]:
    """Options of the command that runs."""
    context = click.get_current_context(silent=True)
    return {} if context is None else context.params


def _continued(command: str) -> str:
    """A command of the next step, about the same configuration and workspace."""
    given = _given()
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


def _stages(report: Report, width: int) -> Iterator[Table]:
    """The stages; measures beside the metric in their own table, where one has no room for them."""
    wide, first = width >= _ROOMY, report.stages[0]
    names = tuple(dict.fromkeys(name for stage in report.stages for name in stage.beside))
    columns = tuple(f"{name}>" for name in names)
    stored = any(stage.bytes is not None for stage in report.stages)
    timed = any(stage.milliseconds is not None for stage in report.stages)
    table = new_table(
        "network",
        f"{report.metric or 'metric'}>",
        *(columns if wide else ()),
        "params>",
        "MACs>",
        "MACs removed>" if width >= _WIDE else "removed>",
        *(("bytes>",) if stored else ()),
        *(("ms>",) if timed else ()),
    )
    for stage in report.stages:
        removed = 1 - stage.macs / first.macs if first.macs else 0.0
        size = "" if stage.bytes is None else f"{stage.bytes:,}"
        time = "" if stage.milliseconds is None else f"{stage.milliseconds:.3f}"
        table.add_row(
            stage.name,
            "not measured" if stage.metric is None else _measured(stage.metric),
            *(_beside(stage, names) if wide else ()),
            f"{stage.params:,}",
            f"{stage.macs:,}",
            f"{removed:.2%}",
            *((size,) if stored else ()),
            *((time,) if timed else ()),
        )
    yield table
    if names and not wide:
        compared = new_table("network", *columns)
        for stage in report.stages:
            if stage.beside:
                compared.add_row(stage.name, *_beside(stage, names))
        yield compared


def _beside(stage: Stage, names: Sequence[str]) -> tuple[str, ...]:
    found = (stage.beside.get(name) for name in names)
    return tuple("" if value is None else f"{value.value:.4f}" for value in found)


def _times(report: Report) -> Table:
    """Networks side by side in each engine: medians, and between which times half of the runs are.

    Time saved is relative to the first network of the same engine.
    """
    table = new_table("engine", "network", "ms>", "half of the runs>", "time saved>")
    for engine, rows in groupby(report.times, key=lambda row: row.engine):
        for index, row in enumerate(rows):
            found = row.timing
            saved = f"{1 - found.share:.1%} ± {(found.share_high - found.share_low) / 2:.1%}"
            spread = f"{found.low:.3f}–{found.high:.3f}"
            name = "" if index else engine
            table.add_row(
                name, row.network, f"{found.milliseconds:.3f}", spread, saved if index else ""
            )
    return table


_BYTES = ("bits", "index", "dense", "pruned", "shared", "coded", "of dense")
_NARROW_BYTES = ("bits", "dense", "coded", "of dense")
"""Columns of the bytes of a tensor, in a wide and in a narrow terminal."""


def _storage(report: Report, width: int) -> Table:
    """Bytes of every tensor after each stage, as in the tables of Han, Mao, Dally 2016."""
    columns = _BYTES if width >= _WIDE else _NARROW_BYTES
    table = new_table("tensor", "weights>", "density>", *(f"{name}>" for name in columns))

    def add(name: str, row: tuple[str, ...]) -> None:
        chosen = dict(zip(_BYTES, row[2:], strict=True))
        table.add_row(name, *row[:2], *(chosen[column] for column in columns))

    sums = [0, 0, 0, 0, 0, 0]
    for row in report.storage:
        coded = row.shared if row.coded is None else row.coded
        numbers = (row.weights, row.nonzero, row.dense, row.pruned, row.shared, coded)
        sums = [total + number for total, number in zip(sums, numbers, strict=True)]
        add(row.name, _row_of(numbers, str(row.bits), str(row.index_bits or "")))
    table.add_section()
    add("total", _row_of(sums, "", ""))
    return table


def _row_of(numbers: Sequence[int], bits: str, index: str) -> tuple[str, ...]:
    weights, nonzero, dense, pruned, shared, coded = numbers
    return (
        f"{weights:,}",
        f"{nonzero / max(1, weights):.1%}",
        bits,
        index,
        *(f"{number:,}" for number in (dense, pruned, shared, coded)),
        f"{coded / max(1, dense):.2%}",
    )


def _measured(found: Measurement) -> str:
    return f"{found.value:.4f}" + (f" ± {found.error:.4f}" if found.error else "")


def _facts(console: Console, report: Report) -> None:
    if "engine" in report.facts:
        timed = f"ms: one sample at a time, {report.facts['engine']}"
        console.print(printable(timed), soft_wrap=not console.is_terminal)
    asked, rate = report.facts.get("rate_asked"), report.facts.get("rate")
    if rate is not None:
        wanted = "" if asked is None else f" (asked {100 * asked:.4g}%)"
        console.print(f"rate {rate:.2%}{wanted}")
    for found in report.facts.get("budgets", ()):
        if found["budget"] != "rate":
            console.print(
                f"{found['budget']} {_amount(found['reached'])} (asked {_amount(found['asked'])})"
            )
    if report.facts.get("milliseconds"):
        before, after = report.facts["milliseconds"]
        share = 1 - after / before
        console.print(f"{share:.2%} of the time saved: {before:.3f} ms before, {after:.3f} after")
    promise = report.facts.get("promise")
    if promise:
        console.print(
            f"loss {promise['loss']:.4f} (at most {promise['asked']:g}) on {promise['samples']} "
            f"samples that did not choose the plan; {promise['chosen_on']} others did"
        )
    if "criterion" in report.facts:
        chosen = f"criterion {report.facts['criterion']}, allocation {report.facts['allocation']}"
        console.print(printable(chosen), soft_wrap=not console.is_terminal)
    native = report.facts.get("native_bytes")
    if native is not None:
        times = native / report.facts["bytes"]
        console.print(
            f"{native:,} bytes of native files in {report.facts['bytes']:,}: {times:.1f}x"
        )
    proof = report.facts.get("proof")
    if proof:
        console.print(_proof(report, proof), soft_wrap=not console.is_terminal)
    elif "proof" in report.facts:
        console.print("proof: left out")
    agreed = report.facts.get("agreement")
    if agreed:
        console.print(
            f"proof: {report.facts['target']} computes the network's numbers on "
            f"{counted(agreed['samples'], 'input')}, largest relative error {agreed['error']:.1e}"
        )


def _amount(number: float) -> str:
    """A share, or a number of bytes."""
    return f"{100 * number:.4g}%" if number < 1 else f"{number:,.0f}"


def _proof(report: Report, proof: Mapping[str, Any]) -> str:
    exact, inputs = report.facts.get("exact", True), counted(proof["samples"], "input")
    if report.step == "transform":
        equal = f"written files equal the {'masked' if exact else 'compact'} network"
    elif exact:
        equal = "the compact network equals the masked one"
    else:
        return f"proof: the compact network gives finite numbers for {inputs}"
    return f"proof: {equal} on {inputs}, largest relative error {proof['error']:.1e}"


def _statistics(console: Console, found: Statistics) -> None:
    console.print(
        f"{found.params:,} params, {found.macs:,} MACs; groups: {len(found.groups)}; protected "
        f"layers: {len(found.protected)}",
        soft_wrap=not console.is_terminal,
    )
    table = new_table("layer", "operators", "output>", "params>", "MACs>")
    for layer, found_rows in groupby(found.layers, key=lambda row: row.layer):
        rows = list(found_rows)
        macs = sum(row.macs for row in rows)
        table.add_row(
            layer,
            ", ".join(row.operator for row in rows),
            "×".join(map(str, rows[-1].output)),
            f"{sum(row.params for row in rows):,}",
            f"{macs:,}" if macs else "",
        )
    table.add_section()
    table.add_row("total", "", "", f"{found.params:,}", f"{found.macs:,}")
    console.print(table)
    if found.operations is not None:
        console.print(
            f"{found.operations:,} operations as the legacy tools count them "
            "(convolutions alone, 2 a MAC and 1 a bias)"
        )
    tied = any(len(line.layers) > 1 for line in found.groups)
    groups = new_table("group", "channels>", "exact", *(("tied layers",) if tied else ()))
    for line in found.groups:
        layers = ", ".join(line.layers) if len(line.layers) > 1 else ""
        groups.add_row(
            group_label(line.group, console.width) if layers else line.group,
            str(line.channels),
            "yes" if line.exact else "no (LRN)",
            *((layers,) if tied else ()),
        )
    console.print(groups)
    protected = new_table("protected layer", "channels>", "reason")
    for entry in found.protected:
        protected.add_row(entry.layer, str(entry.channels), entry.reason)
    console.print(protected)
    notes(found.notes)


def _sensitivity(console: Console, found: Sensitivity) -> None:
    ratios = sorted({point.ratio for curve in found.curves for point in curve.points})
    table = new_table("group", "channels>", *(f"{100 * ratio:g}%>" for ratio in ratios))
    table.collapse_padding = console.width < _WIDE
    digits = 4 if console.width >= _WIDE else 3
    for curve in found.curves:
        values = {point.ratio: f"{point.value:.{digits}f}" for point in curve.points}
        row = (values.get(ratio, "") for ratio in ratios)
        table.add_row(group_label(curve.group, console.width), str(curve.size), *row)
    console.print(table)
    if any(len(curve.points) < len(ratios) for curve in found.curves):
        console.print(BLANK, soft_wrap=not console.is_terminal)
    metric = printable(found.metric)
    console.print(f"{metric} of the whole network: {_measured(found.baseline)}")
