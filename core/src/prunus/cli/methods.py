"""``prunus methods``."""

from __future__ import annotations

import json
from itertools import groupby

import click

from prunus.cli.tables import new_console, new_table
from prunus.descriptors import Descriptor, Engine, Format, kind_of
from prunus.engines.known import lack_of
from prunus.host import start


@click.command()
@click.option("--json", "as_json", is_flag=True, help="machine-readable result on stdout")
@click.option("--verbose", is_flag=True, help="show tracebacks")
def command(as_json: bool, verbose: bool) -> None:
    """List formats and their options, and everything else that plugins register."""
    host = start()
    rows: list[dict[str, str]] = []
    for entry in host.registered:
        own = entry.descriptor
        kind = kind_of(own)
        rows.append(_row(kind, own.name, _summary(own), entry.distribution))
        if not isinstance(own, Format):
            continue
        for name in own.metrics:
            rows.append(_row("metric", name, f"of {own.name} networks only", entry.distribution))
        for name, text in (own.options or {}).items():
            rows.append(_row("option", f"{own.name}: {name}", text, entry.distribution))
    rows.sort(key=lambda row: (row["kind"], row["name"]))
    if as_json:
        click.echo(json.dumps(rows, indent=1))
        return
    console = new_console()
    for kind, found in groupby(rows, key=lambda row: row["kind"]):
        table = new_table(kind, "summary")
        for row in found:
            table.add_row(row["name"], f"{row['summary']}{_owner(row['from'])}")
        console.print(table)


def _summary(descriptor: Descriptor) -> str:
    """What it is; of an engine, also whether it is there."""
    if not isinstance(descriptor, Engine):
        return descriptor.summary
    lack = lack_of(descriptor)
    state = f"version {descriptor.version()}" if lack is None else f"not here: {lack}"
    return f"{descriptor.summary}; {state}"


def _owner(distribution: str) -> str:
    """The distribution in brackets, where it is not prunus itself."""
    name = distribution.partition(" ")[0]
    return "" if name == "prunus" else f" [{name}]"


def _row(kind: str, name: str, summary: str, distribution: str) -> dict[str, str]:
    return {"kind": kind, "name": name, "summary": summary, "from": distribution}
