"""``prunus eval``."""

from __future__ import annotations

from typing import Any

import click

from prunus.cli.options import data_options, network_options, settings_from
from prunus.cli.render import show
from prunus.host import start
from prunus.steps.inspect import evaluate


@click.command("eval")
@network_options
@data_options
def command(as_json: bool, verbose: bool, **given: Any) -> None:
    """Measure a network on its samples."""
    host = start()
    show(evaluate(host, settings_from(host, **given)), as_json=as_json)
