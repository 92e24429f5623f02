"""``prunus decompress``."""

from __future__ import annotations

from pathlib import Path

import click

from prunus.cli.render import show


@click.command()
@click.argument("container", type=click.Path(path_type=Path))
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    help="directory to write to [the container's name without its ending]",
)
@click.option("--json", "as_json", is_flag=True, help="machine-readable result on stdout")
@click.option("--verbose", is_flag=True, help="show tracebacks")
def command(container: Path, output: Path | None, as_json: bool, verbose: bool) -> None:
    """Give the native files of a container back, bit by bit.

    Needs no plugin and no framework, and runs nothing that is in the files.
    """
    from prunus.steps.compress import decompress

    show(decompress(container, output), as_json=as_json)
