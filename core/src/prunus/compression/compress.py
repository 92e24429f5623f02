"""A network with shared weights, and its native files in one container."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from tempfile import TemporaryDirectory

import attrs

from prunus.compression.bits import Bits, check_names
from prunus.compression.container import Container, Header, contents, pack, read_container
from prunus.compression.share import share
from prunus.compression.shared import Shared
from prunus.compression.storage import Storage, storage_of
from prunus.descriptors import Format
from prunus.errors import ProofError
from prunus.host import Host
from prunus.network import Compact, Destination, Network, Source, Written
from prunus.proof.compare import TOLERANCE, compare
from prunus.storage.native import native_files, read_written, write_into
from prunus.storage.staging import staged
from prunus.training.scatter import with_weights


@attrs.frozen(eq=False)
class Compressed:
    """A network whose weights share values, and its container.

    Attributes:
        network: The network with shared weights.
        layers: Bytes of every shared tensor after each stage.
        contents: The container, as it is in a file.
        native_bytes: Bytes of the native files in it.
    """

    network: Network
    layers: tuple[Storage, ...]
    contents: bytes
    native_bytes: int

    def save(self, path: str | PathLike[str]) -> Path:
        """Write the container, whole or not at all.

        Returns:
            The file.
        """
        file = Path(path)
        with staged(file.parent) as stage:
            (stage / file.name).write_bytes(self.contents)
        return file


def compress_network(
    host: Host,
    network: Network,
    smaller: Compact,
    *,
    bits: Bits,
    sharing: str,
    exclude: tuple[str, ...] = (),
    original: str | None = None,
) -> Compressed:
    """Share the weights of a network, write its native files and pack them.

    Args:
        host: Plugins.
        network: The network in full structure.
        smaller: Its compact form; that of a network without a mask is the network itself.
        bits: How many values may be shared.
        sharing: Name of the sharing.
        exclude: Layers that stay whole.
        original: File name of the model it comes from, where it is known.

    Raises:
        UsageError: ``bits``, ``sharing`` or ``exclude`` cannot be used.
        ModelError: a weight is not finite, or the format cannot write the network.
        ProofError: the files do not give the numbers of the network with shared weights.
    """
    check_names(bits, exclude, network)
    shared = share(host, network, smaller.model, bits=bits, sharing=sharing, exclude=exclude)
    return packed(host, network, with_shared(smaller, shared), shared, original)


def with_shared(smaller: Compact, shared: dict[str, Shared]) -> Compact:
    """The compact network with shared weights."""
    return with_weights(smaller, {name: one.weights() for name, one in shared.items()})


def packed(
    host: Host,
    network: Network,
    smaller: Compact,
    shared: dict[str, Shared],
    original: str | None = None,
) -> Compressed:
    """Native files of a network whose weights are shared, in one container.

    Raises:
        ModelError, ProofError: as `compress_network`.
    """
    descriptor = host.find(Format, network.format).descriptor
    assert isinstance(descriptor, Format)
    with TemporaryDirectory(prefix="prunus-") as temporary:
        directory = Path(temporary)
        destination = Destination(directory, "compact", None, network.options, original)
        written = write_into(host, network, smaller, destination)
        _prove(host, network, smaller, written)
        files = sorted(native_files(written, descriptor))
        data, header = pack(directory, files, written, network.format, shared)
        size = sum(path.stat().st_size for path in files)
    _check_whole(read_container(data, "the container"))
    return Compressed(
        attrs.evolve(network, model=smaller.model), _layers(network, shared, header), data, size
    )


def _layers(network: Network, shared: dict[str, Shared], header: Header) -> tuple[Storage, ...]:
    return tuple(
        storage_of(
            network.bindings[name].layer,
            name,
            one,
            [head for head in header.tensors if head.name == name],
        )
        for name, one in shared.items()
    )


def _prove(host: Host, network: Network, smaller: Compact, written: Written) -> None:
    """The files give the same numbers as the graph."""
    source = Source(written.model, written.weights, network.options)
    proof = compare(smaller.model, read_written(host, network.format, source).model)
    if proof.error > TOLERANCE:
        raise ProofError(
            f"format {network.format}: the written files differ from the network with shared "
            f"weights at output '{proof.output}': relative error {proof.error:.1e}, allowed "
            f"{TOLERANCE:.0e}; nothing was written"
        )


def _check_whole(container: Container) -> None:
    """Every file comes out of the container as it went in: `contents` compares digests."""
    for _, pieces in contents(container):
        for _ in pieces:
            pass
