"""``prunus run``."""

from __future__ import annotations

from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any

import click

from prunus.cli.options import (
    criterion_option,
    data_options,
    granularity_option,
    limit_options,
    network_options,
    plan_options,
    shares_of,
)
from prunus.cli.page import page_option, paged
from prunus.cli.progress import counting, training_progress
from prunus.cli.render import show
from prunus.cli.training_options import TrainingCommand, training_from, tuning_options
from prunus.errors import NoSamplesError, UsageError
from prunus.host import start


@click.command(cls=TrainingCommand)
@network_options
@data_options
@tuning_options
@granularity_option
@criterion_option
@plan_options
@click.option("--rates", help="comma list, growing: 0.2,0.4,0.6")
@limit_options
@click.option(
    "--output", type=click.Path(path_type=Path), help="directory of the transformed network"
)
@page_option
def command(
    as_json: bool,
    verbose: bool,
    rates: str | None,
    output: Path | None,
    page: bool,
    **given: Any,
) -> None:
    """Analyse, prune and finetune with a growing rate, then transform.

    The rates are given, or chosen: with --max-loss alone they grow as long as the finetuned network
    stays within it. --params, --bytes and --latency are the budget of one more, last round.
    """
    from prunus.steps.analyze import analyze
    from prunus.steps.run import run, run_within

    host = start()
    last = {name: given[name] for name in ("params", "bytes", "latency") if given[name] is not None}
    bound = given.pop("max_loss")
    settings, tuning = training_from(host, given)
    wanted = () if rates is None else _rates(rates)
    bound = settings.max_loss if bound is None and not wanted and not last else bound
    if bool(wanted or last) == (bound is not None):
        raise UsageError(
            "give either --rates (and a budget of the last round: --params, --bytes, --latency), "
            "or --max-loss, which chooses the rates"
        )
    if settings.allocation in (None, "sensitivity"):
        # without samples prune uses the same ratio everywhere, unless sensitivity was asked for
        excused = suppress(NoSamplesError) if settings.allocation is None else nullcontext()
        with counting("analyse") as report, excused:
            analyze(host, settings, report=report)
    with training_progress() as progress:
        if bound is not None:
            result = run_within(host, settings, bound, tuning, output, progress)
        else:
            result = run(host, settings, wanted, tuning, output, progress, last)
    show(paged(host, settings, result, page=page), as_json=as_json)


def _rates(text: str) -> tuple[float, ...]:
    rule = "growing shares between 0 and 1"
    values = shares_of("--rates", text, rule)
    if list(values) != sorted(values):
        raise UsageError(f"--rates {text}: {rule}")
    return values
