"""``prunus transform``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from prunus.cli.options import data_options, network_options, settings_from
from prunus.cli.render import show
from prunus.host import start
from prunus.steps.masked import named, newest
from prunus.steps.transform import transform


@click.command()
@network_options
@data_options
@click.option("--output", type=click.Path(path_type=Path), help="directory to write to, or file")
@click.option(
    "--proof/--no-proof", default=True, help="compare the written files with the masked network"
)
@click.option("--measure/--no-measure", default=True, help="evaluate and time the networks")
def command(
    as_json: bool, verbose: bool, output: Path | None, proof: bool, measure: bool, **given: Any
) -> None:
    """Remove the masked channels for real and prove the result equal.

    Takes the last finetuned network of the workspace, else the last pruned one, or just what
    --model and --weights name. The result is called as the format's users expect, else as the
    original model; --output FILE gives another name.
    """
    host = start()
    settings = settings_from(host, **given)
    on_the_line = given["model"] is not None or given["weights"] is not None
    settings = named(settings) if on_the_line else newest(settings)
    show(transform(host, settings, output, proof=proof, measure=measure).report, as_json=as_json)
