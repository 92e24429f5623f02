"""``prunus prune``."""

from __future__ import annotations

from typing import Any

import click

from prunus.cli.options import (
    choice_options,
    data_options,
    limit_options,
    network_options,
    number,
    plan_options,
    settings_from,
    solver_option,
)
from prunus.cli.page import page_option, paged
from prunus.cli.progress import shown
from prunus.cli.render import show
from prunus.host import start
from prunus.settings import TARGETS


@click.command()
@network_options
@data_options
@choice_options
@click.option(
    "--rate",
    type=number,
    help="share of the original network's MACs, or weights, to remove: 0.5 or 50%",
)
@limit_options
@click.option("--threshold", type=number, help="metric each group alone may lose")
@plan_options
@solver_option
@click.option("--train-data", help="samples for compensated weights, as --data; no labels needed")
@click.option("--groups", is_flag=True, help="list all groups, however many there are")
@page_option
def command(as_json: bool, verbose: bool, groups: bool, page: bool, **given: Any) -> None:
    """Choose channels, or single weights, for a budget and mask them.

    Give one of --rate, --params, --bytes, --latency and --max-loss, or several: the plan meets all
    of them. Or give --threshold, or --density.
    """
    from prunus.steps.prune import prune

    host = start()
    settings = settings_from(host, **given)
    said = {name: getattr(settings, name) for name in TARGETS if given.get(name) not in (None, ())}
    if said:  # targets on the command line replace those of the configuration
        settings = settings.aiming(**said)
    with shown("prune"):
        pruned = prune(host, settings)
    show(paged(host, settings, pruned.report, page=page), as_json=as_json)
