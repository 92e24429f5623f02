"""``prunus stat``."""

from __future__ import annotations

from typing import Any

import click

from prunus.cli.options import network_options, settings_from
from prunus.cli.render import show
from prunus.host import start
from prunus.steps.inspect import statistics


@click.command()
@network_options
def command(as_json: bool, verbose: bool, **given: Any) -> None:
    """Count a network, list its groups and what is protected."""
    host = start()
    show(statistics(host, settings_from(host, **given)), as_json=as_json)
