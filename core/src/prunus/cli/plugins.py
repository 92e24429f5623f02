"""``prunus plugins``."""

from __future__ import annotations

import json

import click

from prunus.cli.render import new_console, new_table
from prunus.descriptors import kind_of
from prunus.host import start


@click.command()
@click.option("--json", "as_json", is_flag=True, help="machine-readable result on stdout")
@click.option("--verbose", is_flag=True, help="show tracebacks")
def command(as_json: bool, verbose: bool) -> None:
    """List installed plugins, what they offer, and those that failed to load."""
    host = start()
    offers: dict[str, list[str]] = {}
    for entry in host.registered:
        kind = kind_of(entry.descriptor)
        offers.setdefault(entry.distribution, []).append(f"{kind} {entry.descriptor.name}")
    if as_json:
        failed = [
            {"name": b.name, "distribution": b.distribution, "error": b.error} for b in host.broken
        ]
        click.echo(json.dumps({"plugins": offers, "broken": failed}, indent=1))
        return
    table = new_table("distribution", "offers")
    for distribution, names in offers.items():
        table.add_row(distribution, ", ".join(names))
    for broken in host.broken:
        table.add_row(broken.distribution, f"'{broken.name}' failed to load: {broken.error}")
    new_console().print(table)
