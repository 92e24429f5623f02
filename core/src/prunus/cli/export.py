"""``prunus export``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from prunus.cli.options import network_options, settings_from
from prunus.cli.render import show
from prunus.host import start


@click.command()
@network_options
@click.option("--output", type=click.Path(path_type=Path), required=True, help="ONNX file to write")
def command(as_json: bool, verbose: bool, output: Path, **given: Any) -> None:
    """Write any loaded network as ONNX."""
    from prunus.steps.inspect import export

    host = start()
    show(export(host, settings_from(host, **given), output), as_json=as_json)
