"""Bytes of the weights file of every plan, from two files that are written.

A format stores each number in some bytes, and more around them: headers, names, the structure. So
its files are written twice into a temporary directory, of the whole network and of about half of
it; between them the size is a linear function of the numbers that are stored.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from prunus.compaction import compact, identity
from prunus.descriptors import Format
from prunus.graph.macs import CostModel
from prunus.graph.stored import stored_cost
from prunus.host import Host
from prunus.network import Compact, Destination, Written
from prunus.prunable import Prunable
from prunus.selection import choose_units, feasible_counts
from prunus.storage.native import native_files, write_into


def file_cost(host: Host, subject: Prunable, original: str | None = None) -> CostModel:
    """Bytes of the file that holds the weights, or of all files of a format without such a file.

    Args:
        host: Plugins; the network's format writes.
        subject: The network and its groups.
        original: Name of the model file, where there is one.

    Raises:
        ModelError: the format cannot express a smaller network.
    """
    numbers = stored_cost(subject.network, subject.grouping)
    half = {}
    for group in subject.grouping.groups:
        feasible = feasible_counts(group)
        count = int(feasible[np.abs(feasible - group.size / 2).argmin()])
        half[group.name] = choose_units(group, np.arange(group.size, dtype=float), count)
    smaller = compact(subject.network, subject.grouping, half)
    whole = _written(host, subject, identity(subject.network), original)
    halved = _written(host, subject, smaller, original)
    gone = numbers.total - numbers.macs(numbers.kept(half))
    slope = (whole - halved) / gone if gone else 0.0
    return numbers.affine(slope, whole - slope * numbers.total, "bytes")


def weights_size(written: Written, descriptor: Format) -> int:
    """Bytes of the weights file, or of all files where there is no single one."""
    if written.weights is not None and written.weights.is_file():
        return written.weights.stat().st_size
    return sum(path.stat().st_size for path in native_files(written, descriptor))


def _written(host: Host, subject: Prunable, smaller: Compact, original: str | None) -> int:
    network = subject.network
    descriptor = host.find(Format, network.format).descriptor
    assert isinstance(descriptor, Format)
    with TemporaryDirectory(prefix="prunus-size-") as directory:
        destination = Destination(Path(directory), "compact", None, network.options, original)
        return weights_size(write_into(host, network, smaller, destination), descriptor)
