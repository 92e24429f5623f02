"""``prunus plugins``."""

from __future__ import annotations

import json

import click

from prunus.cli import COMMANDS, plugin_commands
from prunus.cli.tables import new_console, new_table
from prunus.descriptors import kind_of
from prunus.host import distribution_of, start


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
    unused: list[tuple[str, str, str]] = []
    for name, points in plugin_commands.offered().items():
        said = plugin_commands.clash(name, points, core=name in COMMANDS)
        for point in points:
            if said is None:
                offers.setdefault(distribution_of(point), []).append(f"command {name}")
            else:
                unused.append((name, distribution_of(point), said))
    if as_json:
        broken = [(b.name, b.distribution, b.error) for b in host.broken]
        failed = [
            {"name": name, "distribution": distribution, "error": error}
            for name, distribution, error in (*broken, *unused)
        ]
        click.echo(json.dumps({"plugins": offers, "broken": failed}, indent=1))
        return
    table = new_table("distribution", "offers")
    for distribution, names in offers.items():
        table.add_row(distribution, ", ".join(names))
    for b in host.broken:
        table.add_row(b.distribution, f"'{b.name}' failed to load: {b.error}")
    for _, distribution, said in unused:
        table.add_row(distribution, said)
    new_console().print(table)
