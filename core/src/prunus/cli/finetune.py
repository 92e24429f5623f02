"""``prunus finetune``."""

from __future__ import annotations

from typing import Any

import click

from prunus.cli.options import data_options, network_options
from prunus.cli.render import show, training_progress
from prunus.cli.training_options import TrainingCommand, training_from, tuning_options
from prunus.host import start
from prunus.steps.finetune import finetune


@click.command(cls=TrainingCommand)
@network_options
@data_options
@tuning_options
def command(as_json: bool, verbose: bool, **given: Any) -> None:
    """Recover accuracy with the masks held.

    Trains the last pruned network of the workspace. Where --model or --weights name another
    masked network, one of another workspace for example, that is trained, with the mask its
    weights hold; what comes of it lies in WORKSPACE/given, and the next steps go on from it.
    """
    host = start()
    settings, tuning = training_from(host, given)
    with training_progress() as report:
        result = finetune(host, settings, tuning, report)
    show(result.report, as_json=as_json)
