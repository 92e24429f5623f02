"""``prunus ana``."""

from __future__ import annotations

import json
from typing import Any

import click

from prunus.analysis.measure import DEFAULT_RATIOS
from prunus.cli.options import choice_options, data_options, network_options, settings_from
from prunus.cli.render import counting, notes, show
from prunus.errors import UsageError
from prunus.host import start
from prunus.steps.analyze import analyze
from prunus.steps.analyze_parts import analyze_part


@click.command()
@network_options
@data_options
@choice_options
@click.option("--ratios", help="comma list of shares to remove [0.1,0.2,…,0.9]")
@click.option("--analysis", help="how it is measured (see 'prunus methods') [exact]")
@click.option(
    "--part", metavar="I/N", help="measure one part of N only; 'ana' without it joins all parts"
)
def command(
    as_json: bool,
    verbose: bool,
    ratios: str | None,
    analysis: str | None,
    part: str | None,
    **given: Any,
) -> None:
    """Measure how much each group of channels matters."""
    host = start()
    settings = settings_from(host, **given)
    if part is not None:
        with counting("analyse") as report:
            file = analyze_part(host, settings, *_part(part), _ratios(ratios), report, analysis)
        click.echo(json.dumps({"part": str(file)}) if as_json else f"wrote {file}")
        return
    with counting("analyse") as report:
        analyzed = analyze(host, settings, _ratios(ratios), report, analysis)
    if analyzed.reused:
        notes(["nothing changed since the last analysis: its result is shown"])
    notes((*analyzed.warnings, *analyzed.loaded.network.notes))
    show(analyzed.sensitivity, as_json=as_json)


def _part(text: str) -> tuple[int, int]:
    number, _, count = text.partition("/")
    try:
        return int(number), int(count)
    except ValueError:
        raise UsageError(f"--part {text}: write I/N, for example 2/4") from None


def _ratios(text: str | None) -> tuple[float, ...]:
    if text is None:
        return DEFAULT_RATIOS
    try:
        values = tuple(sorted(float(part) for part in text.split(",")))
    except ValueError:
        raise UsageError(f"--ratios {text}: a comma list of numbers") from None
    if not all(0 < value < 1 for value in values):
        raise UsageError(f"--ratios {text}: every ratio lies between 0 and 1")
    return values
