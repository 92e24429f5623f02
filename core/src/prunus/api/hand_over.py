"""Networks for other programs: timed in engines, exported, compressed."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from pathlib import Path

from prunus.compression.bits import Bits
from prunus.compression.compress import Compressed, compress_network
from prunus.compression.decompress import decompress as unpack
from prunus.compression.share import DEFAULT_SHARING
from prunus.engines.bench import Benched, bench as bench_networks
from prunus.engines.hold import Runnable
from prunus.engines.known import default_threads
from prunus.formats.onnx_save import save_standalone
from prunus.network import Compact, Network, Written
from prunus.prunable import names_of
from prunus.results import CompactNetwork, MaskedNetwork, host
from prunus.storage.files import make_directory
from prunus.storage.staging import staged


def export(network: Network | MaskedNetwork | CompactNetwork, path: str | PathLike[str]) -> Path:
    """Write the graph of any network as an ONNX file.

    Returns:
        The file.
    """
    plain = network if isinstance(network, Network) else network.network
    file = Path(path)
    make_directory(file.parent)
    with staged(file.parent) as stage:
        save_standalone(plain.model, stage / file.name)
    return file


def bench(
    *networks: Network | MaskedNetwork | CompactNetwork,
    engines: str | Sequence[str] | None = None,
    threads: int | None = None,
    seconds: float = 1.0,
) -> Benched:
    """Time networks side by side, one sample at a time, warmed up and in turns.

    Args:
        networks: The networks; the first is what others are compared with.
        engines: Name of an engine, or several; all that are installed without it.
        threads: Threads of one run; one for each processor without it.
        seconds: Time for one network in one engine.

    Raises:
        UsageError: an engine is unknown or not installed.
        ModelError: an engine that was asked for refuses a network.
    """
    named = [(str(number), _runnable(network)) for number, network in enumerate(networks, 1)]
    asked = [engines] if isinstance(engines, str) else engines
    return bench_networks(host(), named, asked, threads or default_threads(), seconds)


def compress(
    network: Network | MaskedNetwork | CompactNetwork,
    *,
    bits: Bits = None,
    sharing: str = DEFAULT_SHARING,
    exclude: str | tuple[str, ...] = (),
) -> Compressed:
    """Share the weights of each layer and code them; nothing is written.

    Args:
        network: The network; zeros among its weights stay zeros.
        bits: The weights of a layer share two to the power of this many values, zero among them:
            one number, or numbers by a layer's name, ``conv`` or ``fc``; without it 8 for
            convolutions and 5 for fully connected layers. A layer with no more values stays as it
            is.
        sharing: Name of the sharing, which chooses the values.
        exclude: Native names, or one, of layers that keep their weights; these are compressed
            without loss.

    Raises:
        UsageError: ``bits``, ``sharing`` or ``exclude`` cannot be used.
        ModelError: the network's format cannot write it.
        ProofError: the native files do not give the numbers of the network with shared weights.
    """
    if isinstance(network, CompactNetwork):
        plain, smaller = network.masked.network, network.compact
    else:
        plain = network if isinstance(network, Network) else network.network
        smaller = Compact(plain.model, {})
    return compress_network(
        host(), plain, smaller, bits=bits, sharing=sharing, exclude=names_of(exclude)
    )


def decompress(path: str | PathLike[str], directory: str | PathLike[str]) -> Written:
    """Write the native files that a container holds, bit by bit those of the compressed network.

    Needs no plugin and no framework.

    Args:
        path: The container.
        directory: Where the files go; all of them or none.

    Returns:
        The files: ``prunus.load(written.model, written.weights)``.

    Raises:
        ModelError: the container is missing or damaged.
    """
    return unpack(Path(path), Path(directory))


def _runnable(network: Network | MaskedNetwork | CompactNetwork) -> Runnable:
    if isinstance(network, CompactNetwork):
        return Runnable(network.masked.network, network.compact)
    return Runnable.whole(network if isinstance(network, Network) else network.network)
