"""``prunus export``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from prunus.cli.options import data_options, names, network_options, settings_from
from prunus.cli.render import show
from prunus.errors import UsageError
from prunus.host import start


@click.command()
@network_options
@data_options
@click.option("--train-data", help="samples that choose the ranges of int8, as --data")
@click.option(
    "--to",
    "target",
    help="engine to write for (see 'prunus methods'), or onnx: prove the file equal by running it "
    "there",
    shell_complete=names("engine"),
)
@click.option("--int8", is_flag=True, help="quantise by the engine's own tools, ranges by --data")
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    help="ONNX file to write; with --to, directory to write to",
)
def command(
    as_json: bool, verbose: bool, target: str | None, int8: bool, output: Path, **given: Any
) -> None:
    """Write any loaded network as ONNX, or in the files of an engine.

    With --to, the files are run in the engine and compared with the network: at most 1e-4 of the
    largest number of each output may differ, or nothing is written. --int8 quantises what was
    proven, and prints the accuracy before and after.
    """
    from prunus.steps.hand_off import hand_over
    from prunus.steps.inspect import export

    host = start()
    settings = settings_from(host, **given)
    if target is None and int8:
        raise UsageError("--int8: say for which engine with --to, for example --to onnx")
    if target is None:
        report = export(host, settings, output)
    else:
        report = hand_over(host, settings, target, output, int8=int8)
    show(report, as_json=as_json)
