"""``prunus stat``."""

from __future__ import annotations

from typing import Any

import attrs
import click

from prunus.cli.options import network_options, settings_from
from prunus.cli.render import show
from prunus.host import start


@click.command()
@network_options
@click.option("--vendor-count", is_flag=True, help="operations as the legacy tools count them, too")
def command(as_json: bool, verbose: bool, vendor_count: bool, **given: Any) -> None:
    """Count a network, list its groups and what is protected.

    Without --model that is the network which the workspace started from.
    """
    from prunus.steps.continued import unpruned
    from prunus.steps.inspect import statistics

    host = start()
    settings = unpruned(settings_from(host, **given))
    if vendor_count:
        settings = attrs.evolve(settings, legacy_count=True)
    show(statistics(host, settings), as_json=as_json)
