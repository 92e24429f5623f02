"""``prunus darknet valid``: the result files of Darknet's ``detector valid``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from prunus.plugin import counting, network_options, notes, settings_from


@click.command("valid")
@network_options
@click.option("--data", help=".data file, whose valid= list names the images")
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    help="directory to write to [results= of the .data file, else results]",
)
@click.option("--out", help="file name, as Darknet's -out [comp4_det_test_ or coco_results]")
def valid_command(
    as_json: bool, verbose: bool, output: Path | None, out: str | None, **given: Any
) -> None:
    """Write detections for the scripts of VOC or, with eval=coco in the .data file, COCO."""
    from prunus.plugin import start
    from prunus_darknet.commands.result_files import write_results

    host = start()
    settings = settings_from(host, **given)
    with counting("valid") as report:
        written = write_results(host, settings, output, out, report)
    notes(written.notes)
    if as_json:
        click.echo(json.dumps(written.to_json(), indent=1))
        return
    click.echo(f"{written.detections} detections in {written.images} images")
    for path in written.files:
        click.echo(f"wrote {path}", err=True)
