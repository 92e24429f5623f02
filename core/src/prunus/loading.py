"""Finding the format of a file, and reading a network through it."""

from __future__ import annotations

import glob
from pathlib import Path

import attrs

from prunus.descriptors import Format
from prunus.errors import ModelError, UsageError
from prunus.host import Host
from prunus.network import Network, Source


def format_of(host: Host, path: Path) -> Format:
    """The one format that recognises a model path.

    Raises:
        ModelError: the file is missing.
        UsageError: no format or several recognise it.
    """
    if not path.exists():
        raise ModelError(f"{path}: no such file or directory; check --model")
    if not path.is_file() and not path.is_dir():
        raise ModelError(f"{path}: it is a pipe or a device, not a file; check --model")
    claims = [descriptor for descriptor in host.all(Format) if descriptor.detect(path)]
    if len(claims) == 1:
        return claims[0]
    names = ", ".join(descriptor.name for descriptor in host.all(Format))
    if claims:
        both = " and ".join(descriptor.name for descriptor in claims)
        raise UsageError(
            f"{path}: claimed by {both}; rename the file so that one format recognises it"
        )
    raise UsageError(
        f"{path}: no installed format recognises this file; installed: {names}; "
        f"others are packages of their own, prunus-NAME{host.failures()}"
    )


def read_network(host: Host, source: Source) -> Network:
    """Load native files through their format."""
    return read_as(host, format_of(host, source.model), source)


def read_as(host: Host, descriptor: Format, source: Source) -> Network:
    """Load native files through a format that is known."""
    if source.weights is not None and not written(source.weights):
        raise ModelError(f"{source.weights}: no such file; check --weights")
    network = host.call(Format, descriptor.name, "prunus_load", source=source)
    assert isinstance(network, Network)
    return attrs.evolve(network, options=source.options)


def is_there(source: Source) -> bool:
    """Whether the files of a network exist."""
    return source.model.exists() and (source.weights is None or written(source.weights))


def written(weights: Path) -> bool:
    """Whether weights exist: some formats name them by the common prefix of several files."""
    return weights.exists() or any(weights.parent.glob(f"{glob.escape(weights.name)}.*"))
