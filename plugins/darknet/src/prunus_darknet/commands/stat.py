"""``prunus darknet stat``: count a cfg, with or without weights."""

from __future__ import annotations

from typing import Any

import attrs
import click

from prunus.plugin import network_options, settings_from, show


@click.command("stat")
@network_options
def stat_command(as_json: bool, verbose: bool, **given: Any) -> None:
    """Count a cfg layer by layer; without --weights, as vai_p_darknet did.

    vai_p_darknet's own count of operations (of convolutions alone) stands beside the MACs.
    """
    from prunus.plugin import start, statistics

    host = start()
    settings = attrs.evolve(settings_from(host, **given), legacy_count=True)
    if settings.weights is None:
        settings = attrs.evolve(settings, options={"structure_only": "1", **settings.options})
    show(statistics(host, settings), as_json=as_json)
