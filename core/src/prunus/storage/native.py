"""Writing native files through the format that read them, and reading what was written."""

from __future__ import annotations

import shutil
from pathlib import Path

from prunus.descriptors import Format
from prunus.errors import ModelError, PluginError, UsageError
from prunus.host import Host
from prunus.loading import read_network
from prunus.network import Compact, Destination, Network, Source, Written
from prunus.storage.files import moved
from prunus.storage.staging import staged
from prunus.third_party import is_damage


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


def read_written(host: Host, format: str, source: Source) -> Network:
    """Load files that a format has just written: they are no files of the user's.

    Raises:
        PluginError: they do not load; names the format, and says why in the reader's words.
    """
    try:
        return read_network(host, source)
    except Exception as error:
        if not isinstance(error, ModelError | UsageError) and not is_damage(error):
            raise
        owner = host.find(Format, format)
        raise PluginError(f"{owner} wrote files that do not load: {error}") from error


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


def native_files(written: Written, format: Format) -> set[Path]:
    """All files of a network: structure, weights, and what its format keeps beside."""
    source = Source(written.model, written.weights)
    found = {*format.files(source), written.model, written.weights}
    named = {path for path in found if path is not None}
    return {one for path in named for one in (path, *path.rglob("*")) if one.is_file()}


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
