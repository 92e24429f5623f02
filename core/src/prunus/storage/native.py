"""Writing native files through the format that read them."""

from __future__ import annotations

import shutil
from pathlib import Path

from prunus.descriptors import Format
from prunus.errors import UsageError
from prunus.host import Host
from prunus.network import Compact, Destination, Network, Source, Written
from prunus.storage.files import moved
from prunus.storage.staging import staged


def write_into(host: Host, network: Network, compact: Compact, destination: Destination) -> Written:
    """Native files in the destination's directory, whatever lies there.

    Raises:
        ModelError: the format cannot express the compact network.
    """
    written = host.call(
        Format,
        network.format,
        "prunus_compact",
        network=network,
        compact=compact,
        destination=destination,
    )
    assert isinstance(written, Written)
    return written


def write_masked(
    host: Host,
    source: Source,
    network: Network,
    compact: Compact,
    directory: Path,
    name: str | None = None,
) -> Written:
    """The masked network in a directory, all files or none.

    The compact network is written first, and thrown away: what the format cannot express is
    refused now, not when `transform` writes it.

    Raises:
        ModelError: the format cannot express the compact network.
    """
    with staged(directory) as stage:
        trial = stage / "trial"
        trial.mkdir()
        options = source.options
        tried = Destination(trial, "compact", None, options, source.model.name)
        write_into(host, network, compact, tried)
        shutil.rmtree(trial)
        destination = Destination(stage, "masked", name, options)
        written = write_into(host, network, compact, destination)
    return moved(written, stage, directory)


def keep_apart(stage: Path, directory: Path, *sources: Source) -> None:
    """No file of the stage replaces a network it was made from.

    Raises:
        UsageError: one would.
    """
    taken = {(directory / path.name).resolve() for path in stage.iterdir()}
    for path in (path for source in sources for path in (source.model, source.weights)):
        if path is not None and path.resolve() in taken:
            raise UsageError(
                f"{path}: would be replaced by what is made from it; choose another --output"
            )
