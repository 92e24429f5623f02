"""``prunus bench``."""

from __future__ import annotations

from pathlib import Path

import click

from prunus.cli.options import names, pair
from prunus.cli.render import show
from prunus.host import start


@click.command()
@click.argument(
    "models", nargs=-1, required=True, metavar="MODEL…", type=click.Path(path_type=Path)
)
@click.option(
    "--weights",
    multiple=True,
    type=click.Path(path_type=Path),
    help="weights file of a model, where the format has one; repeatable, in their order",
)
@click.option(
    "--option",
    multiple=True,
    metavar="NAME=VALUE",
    help="format option (see 'prunus methods'); repeatable",
)
@click.option(
    "--engine",
    metavar="NAMES",
    help="comma list of engines (see 'prunus methods') [all that are installed]",
    shell_complete=names("engine"),
)
@click.option("--threads", type=click.IntRange(1), help="threads of a run [one for each processor]")
@click.option(
    "--seconds",
    type=click.FloatRange(0, min_open=True),
    default=1.0,
    help="time for one network in one engine [1]",
)
@click.option("--json", "as_json", is_flag=True, help="machine-readable result on stdout")
@click.option("--verbose", is_flag=True, help="show tracebacks")
def command(
    models: tuple[Path, ...],
    weights: tuple[Path, ...],
    option: tuple[str, ...],
    engine: str | None,
    threads: int | None,
    seconds: float,
    as_json: bool,
    verbose: bool,
) -> None:
    """Time networks side by side: one random sample at a time, warmed up, in turns.

    The first model is what the others are compared with: give the original first. Medians are
    shown, and between which times half of the runs are; time saved is the median over the turns.
    """
    from prunus.steps.bench import bench

    host = start()
    engines = None if engine is None else tuple(filter(None, engine.split(",")))
    options = dict(pair(text) for text in option)
    show(bench(host, models, weights, options, engines, threads, seconds), as_json=as_json)
