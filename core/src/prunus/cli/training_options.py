"""Options of training, shared by ``finetune`` and ``run``; trainers add their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from prunus.cli.options import names, seed_option, settings_from, solver_option, together
from prunus.descriptors import Trainer
from prunus.errors import UsageError
from prunus.host import Host, start
from prunus.settings import DEFAULT_TRAINER, Settings
from prunus.training.tuning import Tuning

_POSITIVE = click.FloatRange(0, min_open=True)
tuning_options = together(
    click.option(
        "--trainer",
        help=f"who trains (see 'prunus methods') [{DEFAULT_TRAINER}]",
        shell_complete=names("trainer"),
    ),
    solver_option,
    click.option("--train-data", help="training samples, as --data"),
    click.option("--distill", is_flag=True, help="learn from the original network, without labels"),
    click.option("--resume", is_flag=True, help="continue from the newest snapshot"),
    click.option("--epochs", type=_POSITIVE, help="instead of the recipe's iterations"),
    click.option("--iterations", type=click.IntRange(1), help="weight updates"),
    click.option("--batch-size", type=click.IntRange(1), help="instead of the recipe's"),
    click.option("--learning-rate", type=_POSITIVE, help="instead of the recipe's base rate"),
    click.option(
        "--regrow",
        type=click.IntRange(0),
        help="updates between two choices of the single weights that stay [0: masks are held]",
    ),
    click.option("--snapshot", type=click.IntRange(0), help="iterations between snapshots"),
    seed_option,
)
"""Options every trainer understands."""


class TrainingCommand(click.Command):
    """A command that also takes the options installed trainers declare."""

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Own options, then one for every option of a trainer; values go to ``ctx.obj``."""
        declared: dict[str, list[str]] = {}
        for trainer in start().all(Trainer):
            for name, text in trainer.options.items():
                declared.setdefault(name, []).append(f"{text} (trainer {trainer.name})")
        own = [
            click.Option(
                [f"--{name}"], help="; ".join(texts), expose_value=False, callback=_keeper(name)
            )
            for name, texts in declared.items()
        ]
        *before, help_option = super().get_params(ctx)
        return [*before, *own, help_option]


def _keeper(name: str) -> Callable[[click.Context, click.Parameter, str | None], None]:
    def keep(ctx: click.Context, _: click.Parameter, value: str | None) -> None:
        if value is not None:
            ctx.ensure_object(dict)[name] = value

    return keep


def training_from(
    host: Host, given: dict[str, Any], *, alone: bool = True
) -> tuple[Settings, Tuning]:
    """Options of a command that trains, with those of the configuration file.

    Args:
        host: Plugins.
        given: The command's arguments.
        alone: The command does not know of processes that help it.

    Raises:
        UsageError: the file cannot be used, two options contradict each other, one belongs to
            another trainer, or this process is to help one that is alone.
    """
    tuning = tuning_from(given)
    if tuning.epochs is not None and tuning.iterations is not None:
        raise UsageError("--epochs and --iterations both say how long to train; give one of them")
    settings = settings_from(host, **given)
    check_trainer_options(host, settings, tuning)
    if alone and assists(host, settings):
        name = click.get_current_context().info_name
        raise UsageError(f"{name} works in one process; start finetune alone by the launcher")
    return settings, tuning


def assists(host: Host, settings: Settings) -> bool:
    """Whether this process only helps another one (`prunus.plugin.Trainer.assists`)."""
    name = settings.trainer or DEFAULT_TRAINER
    return any(trainer.assists() for trainer in host.all(Trainer) if trainer.name == name)


def tuning_from(given: dict[str, Any]) -> Tuning:
    """Take the training options out of a command's arguments."""
    return Tuning(
        distill=given.pop("distill"),
        resume=given.pop("resume"),
        epochs=given.pop("epochs"),
        iterations=given.pop("iterations"),
        batch_size=given.pop("batch_size"),
        learning_rate=given.pop("learning_rate"),
        snapshot=given.pop("snapshot"),
        regrow=given.pop("regrow") or 0,
        options=dict(click.get_current_context().obj or {}),
    )


def check_trainer_options(host: Host, settings: Settings, tuning: Tuning) -> None:
    """Refuse options that the chosen trainer does not have.

    Raises:
        UsageError: an option belongs to another trainer.
    """
    chosen = settings.trainer or DEFAULT_TRAINER
    takes = {trainer.name: trainer.options for trainer in host.all(Trainer)}
    for name in tuning.options:
        if name not in takes.get(chosen, {}):
            owners = [owner for owner, options in takes.items() if name in options]
            raise UsageError(
                f"--{name} is an option of trainer {' and '.join(owners)}, and trainer {chosen} "
                f"was chosen; add --trainer {owners[0]}"
            )
