"""``prunus report``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from prunus.cli.options import data_options, network_options, settings_from
from prunus.cli.progress import shown
from prunus.cli.render import show
from prunus.host import start


@click.command()
@network_options
@data_options
@click.option(
    "--output", type=click.Path(path_type=Path), help="file to write [report.html, workspace]"
)
def command(as_json: bool, verbose: bool, output: Path | None, **given: Any) -> None:
    """Show what a workspace holds: one HTML file that needs no network.

    Before and after in numbers, the network drawn, curves, every step and layer, answers on
    samples, and the commands that made it.
    """
    from prunus.steps.page import write_page

    host = start()
    settings = settings_from(host, **given)
    with shown("report"):
        found = write_page(host, settings, output)
    show(found, as_json=as_json)
