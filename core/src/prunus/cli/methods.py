"""``prunus methods``."""

from __future__ import annotations

import json

import click
from rich.console import Console
from rich.table import Table

from prunus.descriptors import Criterion, Format, Policy, Trainer
from prunus.host import start


@click.command()
@click.option("--json", "as_json", is_flag=True, help="machine-readable result on stdout")
@click.option("--verbose", is_flag=True, help="show tracebacks")
def command(as_json: bool, verbose: bool) -> None:
    """List criteria, policies and trainers."""
    host = start()
    rows = [
        {
            "kind": type(e.descriptor).__name__.lower(),
            "name": e.descriptor.name,
            "summary": e.descriptor.summary,
            "from": e.distribution,
        }
        for e in host.registered
        if isinstance(e.descriptor, Criterion | Policy | Trainer | Format)
    ]
    rows.sort(key=lambda row: (row["kind"], row["name"]))
    if as_json:
        click.echo(json.dumps(rows, indent=1))
        return
    table = Table("kind", "name", "summary", "from", box=None, pad_edge=False)
    for row in rows:
        table.add_row(*row.values())
    Console(highlight=False).print(table)
