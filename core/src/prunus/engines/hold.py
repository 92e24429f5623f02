"""Networks in an engine: files are written, converted by the engine's own converter, and loaded."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import attrs

from prunus.compaction import identity
from prunus.descriptors import Engine
from prunus.engines.known import engine_named
from prunus.engines.running import Running
from prunus.errors import UsageError
from prunus.formats.onnx_save import save_standalone
from prunus.host import Host
from prunus.network import Compact, Destination, Network, Written
from prunus.storage.native import write_into

ONNX = "onnx"
"""The format that every network can be written in."""

NAME = "net"
"""Name of files that no user sees."""


@attrs.frozen(eq=False)
class Runnable:
    """A network that an engine can be given: whole, or one that a plan was carried out on.

    Attributes:
        network: The network as its format loaded it, with today's weights.
        compact: Its compact form; itself where nothing is removed.
    """

    network: Network
    compact: Compact

    @classmethod
    def whole(cls, network: Network) -> Runnable:
        """A network from which nothing is removed."""
        return cls(network, identity(network))

    @property
    def graph(self) -> Network:
        """What runs: the network with the compact graph."""
        return attrs.evolve(self.network, model=self.compact.model)


@contextmanager
def held(host: Host, engine: str, runnable: Runnable, threads: int) -> Iterator[Running]:
    """A network ready to run in an engine, in files that are gone afterwards.

    Raises:
        UsageError: the engine, or its converter, is not installed.
        ModelError: the engine cannot hold the network.
    """
    with TemporaryDirectory(prefix=f"prunus-{engine}-") as directory:
        work = Path(directory)
        files = converted(host, engine, runnable, given(host, engine, runnable, work, NAME), work)
        with opened(host, engine, runnable.graph, files, threads) as running:
            yield running


@contextmanager
def opened(
    host: Host, engine: str, network: Network, files: Written, threads: int
) -> Iterator[Running]:
    """Files of an engine, loaded in it and closed afterwards."""
    running = host.call(
        Engine, engine, "prunus_open", network=network, files=files, threads=threads
    )
    assert isinstance(running, Running)
    try:
        yield running
    finally:
        running.close()


def given(host: Host, engine: str, runnable: Runnable, directory: Path, name: str) -> Written:
    """Files of the first format that an engine reads and the network can be written in.

    Args:
        host: Plugins.
        engine: Name of the engine.
        runnable: The network.
        directory: Its new directory ``given`` gets them.
        name: Name of an ONNX file, without its ending.

    Raises:
        UsageError: the engine is not installed, or takes no files of this network.
    """
    network, formats = runnable.network, engine_named(host, engine).formats
    folder = directory / "given"
    folder.mkdir()
    for form in formats:
        if form == ONNX:
            return save_standalone(runnable.compact.model, folder / f"{name}.onnx", single=True)
        if form == network.format:
            destination = Destination(folder, "compact", None, network.options)
            return write_into(host, network, runnable.compact, destination)
    raise UsageError(
        f"engine '{engine}' runs {', '.join(formats)} networks, and this one is of the format "
        f"{network.format}"
    )


def converted(
    host: Host, engine: str, runnable: Runnable, files: Written, directory: Path
) -> Written:
    """Files that an engine runs.

    Args:
        host: Plugins.
        engine: Name of the engine.
        runnable: The network.
        files: What `given` wrote.
        directory: Where to write.

    Raises:
        UsageError: the converter is not installed.
        ModelError: the engine cannot hold the network.
    """
    found = host.call(
        Engine,
        engine,
        "prunus_convert",
        network=runnable.graph,
        files=files,
        directory=directory,
    )
    assert isinstance(found, Written)
    return found
