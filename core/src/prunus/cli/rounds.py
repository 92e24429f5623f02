"""``prunus run``."""

from __future__ import annotations

from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any

import click

from prunus.cli.options import criterion_option, data_options, network_options, plan_options
from prunus.cli.render import counting, show, training_progress
from prunus.cli.training_options import TrainingCommand, training_from, tuning_options
from prunus.errors import NoSamplesError, UsageError
from prunus.host import start
from prunus.steps.analyze import analyze
from prunus.steps.run import run


@click.command(cls=TrainingCommand)
@network_options
@data_options
@tuning_options
@criterion_option
@plan_options
@click.option("--rates", required=True, help="comma list, growing: 0.2,0.4,0.6")
@click.option(
    "--output", type=click.Path(path_type=Path), help="directory of the transformed network"
)
def command(as_json: bool, verbose: bool, rates: str, output: Path | None, **given: Any) -> None:
    """Analyse, prune and finetune with a growing rate, then transform."""
    host = start()
    settings, tuning = training_from(host, given)
    wanted = _rates(rates)
    if settings.allocation in (None, "sensitivity"):
        # without samples prune uses the same ratio everywhere, unless sensitivity was asked for
        excused = suppress(NoSamplesError) if settings.allocation is None else nullcontext()
        with counting("analyse") as report, excused:
            analyze(host, settings, report=report)
    with training_progress() as progress:
        result = run(host, settings, wanted, tuning, output, progress)
    show(result, as_json=as_json)


def _rates(text: str) -> tuple[float, ...]:
    try:
        values = tuple(float(part) for part in text.split(","))
    except ValueError:
        raise UsageError(f"--rates {text}: a comma list of numbers") from None
    if not all(0 < value < 1 for value in values) or list(values) != sorted(values):
        raise UsageError(f"--rates {text}: growing shares between 0 and 1")
    return values
