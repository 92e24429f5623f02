"""``prunus transform``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from prunus.cli.options import (
    data_options,
    granularity_option,
    network_options,
    settings_from,
)
from prunus.cli.page import page_option, paged
from prunus.cli.progress import shown
from prunus.cli.render import show
from prunus.host import start


@click.command()
@network_options
@data_options
@granularity_option
@click.option("--output", type=click.Path(path_type=Path), help="directory to write to, or file")
@click.option(
    "--proof/--no-proof", default=True, help="compare the written files with the masked network"
)
@click.option(
    "--measure",
    "engines",
    is_flag=False,
    flag_value="",
    default="",
    metavar="[ENGINES]",
    help="evaluate and time the networks (done anyway); with a comma list, in these engines, too "
    "(see 'prunus methods')",
)
@click.option("--no-measure", is_flag=True, help="neither evaluate nor time the networks")
@click.option("--groups", is_flag=True, help="list all groups, however many there are")
@page_option
def command(
    as_json: bool,
    verbose: bool,
    groups: bool,
    output: Path | None,
    proof: bool,
    engines: str,
    no_measure: bool,
    page: bool,
    **given: Any,
) -> None:
    """Remove the masked channels for real and prove the result equal.

    Takes the last finetuned network of the workspace, else the last pruned one, or just what
    --model and --weights name. The result is called as the format's users expect, else as the
    original model; --output FILE gives another name.
    """
    from prunus.steps.continued import named, newest
    from prunus.steps.transform import transform
    from prunus.steps.workspace import workspace_of

    host = start()
    settings = settings_from(host, **given)
    if page:
        workspace_of(settings)  # before the work, not after it
    on_the_line = given["model"] is not None or given["weights"] is not None
    settings = named(settings) if on_the_line else newest(settings)
    with shown("transform"):
        done = transform(
            host,
            settings,
            output,
            proof=proof,
            measure=not no_measure,
            engines=tuple(filter(None, engines.split(","))),
        )
    show(paged(host, settings, done.report, page=page), as_json=as_json)
