"""``prunus compress``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from prunus.cli.options import data_options, network_options
from prunus.cli.progress import training_progress
from prunus.cli.render import show
from prunus.cli.training_options import TrainingCommand, training_from, tuning_options
from prunus.errors import UsageError
from prunus.host import start

if TYPE_CHECKING:
    from prunus.compression.bits import Bits


@click.command(cls=TrainingCommand)
@network_options
@data_options
@tuning_options
@click.option(
    "--bits",
    multiple=True,
    metavar="N|NAME=N",
    help="a layer shares 2^N values; NAME is a layer, conv or fc; repeatable [conv=8, fc=5]",
)
@click.option("--sharing", help="how values are chosen (see 'prunus methods') [k-means]")
@click.option("--output", type=click.Path(path_type=Path), help="container to write")
@click.option("--measure/--no-measure", default=True, help="evaluate the network before and after")
def command(
    as_json: bool,
    verbose: bool,
    output: Path | None,
    bits: tuple[str, ...],
    sharing: str | None,
    measure: bool,
    **given: Any,
) -> None:
    """Share the weights of each layer, code them, write one small file.

    Takes the transformed network of the workspace, else the last finetuned or pruned one, or just
    what --model and --weights name. 'prunus decompress' gives its native files back.

    --epochs or --iterations train the shared values: all weights of one value follow the sum of
    their gradients. With --distill they learn from the network before sharing, without labels.
    """
    from prunus.steps.compress import compress
    from prunus.steps.continued import named, smallest

    host = start()
    on_the_line = given["model"] is not None or given["weights"] is not None
    settings, tuning = training_from(host, given)
    settings = named(settings) if on_the_line else smallest(settings)
    with training_progress("compress") as report:
        result = compress(
            host,
            settings,
            output,
            bits=bits_from(bits),
            sharing=sharing,
            measure=measure,
            tuning=tuning,
            report=report,
        )
    show(result.report, as_json=as_json)


def bits_from(texts: tuple[str, ...]) -> Bits:
    """One number for all layers, or numbers by names; ``None`` without any.

    Raises:
        UsageError: a text is neither, or both are given.
    """
    found = {}
    for text in texts:
        name, _, number = text.rpartition("=")
        if not (number.isascii() and number.isdigit() and len(number) < 4):
            raise UsageError(f"--bits {text}: write a whole number, or NAME=NUMBER")
        found[name] = int(number)
    if "" not in found:
        return found or None
    if len(found) > 1:
        raise UsageError("--bits: one number means all layers; name the others: conv=8 fc=5")
    return found[""]
