"""``prunus prune``."""

from __future__ import annotations

from typing import Any

import attrs
import click

from prunus.cli.options import (
    choice_options,
    data_options,
    network_options,
    plan_options,
    settings_from,
)
from prunus.cli.render import show
from prunus.host import start
from prunus.steps.prune import prune


@click.command()
@network_options
@data_options
@choice_options
@click.option("--rate", type=float, help="share of the original network's MACs to remove")
@click.option("--threshold", type=float, help="metric each group alone may lose")
@plan_options
@click.option("--train-data", help="samples for compensated weights, as --data; no labels needed")
def command(as_json: bool, verbose: bool, train_data: str | None, **given: Any) -> None:
    """Choose channels for a rate or a threshold and mask them."""
    host = start()
    rate, threshold = given.pop("rate"), given.pop("threshold")
    settings = settings_from(host, **given)
    if rate is not None or threshold is not None:
        # a target on the command line replaces the other kind in the configuration
        settings = attrs.evolve(settings, rate=rate, threshold=threshold)
    show(prune(host, settings, train_data).report, as_json=as_json)
