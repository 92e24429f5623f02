"""``prunus finetune``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from prunus.cli.options import data_options, network_options, settings_from
from prunus.cli.render import show, training_progress
from prunus.host import start
from prunus.steps.finetune import Tuning, finetune

F = TypeVar("F", bound=Callable[..., Any])


def tuning_options(function: F) -> F:
    """Options of training, shared with ``run``."""
    for option in reversed(
        (
            click.option("--trainer", help="torch, caffe, darknet or tensorflow [torch]"),
            click.option(
                "--solver",
                type=click.Path(path_type=Path),
                help="the framework's own training recipe",
            ),
            click.option("--train-data", help="training samples, as --data"),
            click.option(
                "--distill", is_flag=True, help="imitate the original network; no labels needed"
            ),
            click.option("--resume", is_flag=True, help="continue from the newest snapshot"),
            click.option("--epochs", type=float, help="in place of the recipe's iterations"),
            click.option("--iterations", type=click.IntRange(1), help="weight updates"),
            click.option("--batch-size", type=click.IntRange(1), help="in place of the recipe's"),
            click.option("--learning-rate", type=float, help="in place of the recipe's base rate"),
            click.option("--snapshot", type=click.IntRange(0), help="iterations between snapshots"),
            click.option("--caffe-python", help="interpreter of the user's pycaffe"),
            click.option("--seed", type=int, help="seed of everything drawn [0]"),
        )
    ):
        function = option(function)
    return function


def tuning_from(given: dict[str, Any]) -> Tuning:
    """Take the training options out of a command's arguments."""
    python = given.pop("caffe_python")
    return Tuning(
        data=given.pop("train_data"),
        distill=given.pop("distill"),
        resume=given.pop("resume"),
        epochs=given.pop("epochs"),
        iterations=given.pop("iterations"),
        batch_size=given.pop("batch_size"),
        learning_rate=given.pop("learning_rate"),
        snapshot=given.pop("snapshot"),
        options={} if python is None else {"caffe-python": python},
    )


@click.command()
@network_options
@data_options
@tuning_options
def command(as_json: bool, verbose: bool, **given: Any) -> None:
    """Recover accuracy with the masks held."""
    host = start()
    tuning = tuning_from(given)
    settings = settings_from(host, **given)
    with training_progress() as report:
        result = finetune(host, settings, tuning, report)
    show(result.report, as_json=as_json)
