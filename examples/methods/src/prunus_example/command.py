"""Command ``prunus widest``: the groups of a network, widest first."""

import json

import click

from prunus.plugin import network_options, new_console, new_table, settings_from


@click.command()
@network_options
@click.option("--count", type=click.IntRange(1), default=5, help="groups to list [5]")
def command(as_json, verbose, count, **given):
    """List the widest groups of a network."""
    from prunus.plugin import load_from_settings, start

    host = start()
    loaded = load_from_settings(host, settings_from(host, **given))
    groups = sorted(loaded.grouping.groups, key=lambda group: -group.size)[:count]
    if as_json:
        click.echo(json.dumps({group.name: group.size for group in groups}))
        return
    table = new_table("group", "channels")
    for group in groups:
        table.add_row(group.name, str(group.size))
    new_console().print(table)
