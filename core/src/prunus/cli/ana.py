"""``prunus ana``."""

from __future__ import annotations

import json
from typing import Any

import click

from prunus.cli.options import (
    choice_options,
    data_options,
    names,
    network_options,
    settings_from,
    shares_of,
)
from prunus.cli.page import page_option, paged
from prunus.cli.progress import counting
from prunus.cli.render import following, notes, show, warn, wrote
from prunus.errors import UsageError
from prunus.host import start


@click.command()
@network_options
@data_options
@choice_options
@click.option("--ratios", help="comma list of shares to remove [0.1,0.2,…,0.9]")
@click.option(
    "--analysis",
    help="how it is measured (see 'prunus methods') [fast; sweep for a metric function]",
    shell_complete=names("analysis"),
)
@click.option(
    "--part", metavar="I/N", help="measure one part of N only; 'ana' without it joins all parts"
)
@page_option
def command(
    as_json: bool,
    verbose: bool,
    ratios: str | None,
    analysis: str | None,
    part: str | None,
    page: bool,
    **given: Any,
) -> None:
    """Measure how much each group of channels matters, or of single weights."""
    from prunus.analysis.measure import DEFAULT_RATIOS
    from prunus.steps.analyze import analyze
    from prunus.steps.analyze_parts import analyze_part
    from prunus.steps.report import Report

    host = start()
    settings = settings_from(host, **given)
    shares = DEFAULT_RATIOS if ratios is None else _ratios(ratios)
    if part is not None:
        with counting("analyse") as report:
            file = analyze_part(host, settings, *_part(part), shares, report, analysis)
        click.echo(json.dumps({"part": str(file)}) if as_json else f"wrote {file}")
        return
    with counting("analyse") as report:
        analyzed = analyze(host, settings, shares, report, analysis)
    if analyzed.reused:
        notes(["nothing changed since the last analysis: its result is shown"])
    warn(analyzed.warnings)
    notes((*analyzed.notes, *analyzed.loaded.network.notes))
    show(analyzed.sensitivity, as_json=as_json)
    wrote(paged(host, settings, Report("ana"), page=page).files)
    if not as_json:
        following("prunus prune --rate 50%")


def _part(text: str) -> tuple[int, int]:
    number, _, count = text.partition("/")
    try:
        return int(number), int(count)
    except ValueError:
        raise UsageError(f"--part {text}: write I/N, for example 2/4") from None


def _ratios(text: str) -> tuple[float, ...]:
    return tuple(sorted(shares_of("--ratios", text, "every ratio lies between 0 and 1")))
