"""``prunus eval``."""

from __future__ import annotations

from typing import Any

import click

from prunus.cli.options import data_options, network_options, settings_from
from prunus.cli.progress import shown
from prunus.cli.render import show
from prunus.host import start


@click.command("eval")
@network_options
@data_options
def command(as_json: bool, verbose: bool, **given: Any) -> None:
    """Measure a network on its samples."""
    from prunus.steps.inspect import evaluate

    host = start()
    settings = settings_from(host, **given)
    with shown("eval"):
        report = evaluate(host, settings)
    show(report, as_json=as_json)
