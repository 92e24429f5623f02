"""``prunus finetune``."""

from __future__ import annotations

from typing import Any

import click

from prunus.cli.options import data_options, granularity_option, network_options
from prunus.cli.page import page_option, paged
from prunus.cli.progress import training_progress
from prunus.cli.render import show
from prunus.cli.training_options import TrainingCommand, assists, training_from, tuning_options
from prunus.host import start


@click.command(cls=TrainingCommand)
@network_options
@data_options
@granularity_option
@tuning_options
@page_option
def command(as_json: bool, verbose: bool, page: bool, **given: Any) -> None:
    """Recover accuracy with the masks held.

    Trains the last pruned network of the workspace. Where --model or --weights name another
    masked network, one of another workspace for example, that is trained, with the mask its
    weights hold; what comes of it lies in WORKSPACE/given, and the next steps go on from it.
    """
    from prunus.steps.finetune import assist, finetune

    host = start()
    settings, tuning = training_from(host, given, alone=False)
    if assists(host, settings):
        assist(host, settings, tuning)
        return
    with training_progress() as report:
        result = finetune(host, settings, tuning, report)
    show(paged(host, settings, result.report, page=page), as_json=as_json)
