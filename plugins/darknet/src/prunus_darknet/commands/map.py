"""``prunus darknet map``: mean average precision and that of each class."""

from __future__ import annotations

import json
from typing import Any

import click

from prunus.plugin import counting, network_options, new_console, new_table, notes, settings_from

_METRICS = ("map", "map-coco", "map50-coco")


@click.command("map")
@network_options
@click.option("--data", help=".data file, whose valid= list names the images")
@click.option(
    "--metric",
    type=click.Choice(_METRICS),
    default=_METRICS[0],
    show_default=True,
    help="VOC's 11 points at overlap 0.5, COCO's 101 points from 0.5 to 0.95, or those at 0.5",
)
@click.option("--samples", type=click.IntRange(1), help="number of images to measure on")
def map_command(as_json: bool, verbose: bool, **given: Any) -> None:
    """Mean average precision of a detector, class by class."""
    from prunus.plugin import start
    from prunus_darknet.commands.class_table import class_table

    host = start()
    settings = settings_from(host, **given)
    with counting("map") as report:
        found = class_table(host, settings, report)
    if as_json:
        click.echo(json.dumps(found.to_json(), indent=1))
        return
    table = new_table("class", "true boxes>", "detections>", f"{found.metric}>")
    for row in found.classes:
        value = "no true box" if row.value is None else f"{row.value:.4f}"
        table.add_row(row.name, str(row.truths), str(row.detections), value)
    console = new_console()
    console.print(table)
    console.print(f"{found.metric} {found.value:.4f} on {found.samples} images")
    notes(found.notes)
