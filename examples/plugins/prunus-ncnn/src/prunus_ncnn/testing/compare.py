"""A network in prunus and in the real engine, whole and pruned."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import prunus
from prunus.plugin import Destination, Network, Session, Source, Written, random_inputs
from prunus.testing import cut
from prunus_ncnn.testing.engine import PLAIN, run_in_ncnn
from prunus_ncnn.write import write


@dataclass(frozen=True)
class Differences:
    """Largest differences, relative to the largest number of each output.

    Attributes:
        whole: prunus and ncnn, on the files that were read.
        engine: ncnn and ncnn with loops in another order, which is how exact its digits are.
        pruned: The smaller and the masked files, both in ncnn.
        removed: Share of the stored numbers that the smaller files lack.
    """

    whole: float
    engine: float
    pruned: float
    removed: float


def halved(network: Network, directory: Path) -> tuple[Written, Written]:
    """Masked and smaller files of a network whose groups lose half of their channels at random."""
    pruned = cut(network, 0.5, 0)
    written = []
    for stage in ("masked", "compact"):
        folder = directory / stage
        folder.mkdir(parents=True)
        written.append(write(pruned.masked, pruned.compact, Destination(folder, stage, "net")))
    return written[0], written[1]


def compare(
    source: Source, directory: Path, count: int = 1,
    prune: Callable[[Network, Path], tuple[Written, Written]] = halved,
) -> Differences:  # fmt: skip
    """Compare on ``count`` random inputs; ``prune`` writes its files to ``directory``."""
    network = prunus.load(source.model, source.weights, options=source.options)
    inputs = random_inputs(network.model, count, 0)
    blobs = {}  # name of a graph output -> its blob
    for blob, value in network.origin.values.items():
        blobs.setdefault(value, blob)
    computed = Session(network.model).run(inputs)
    weights = source.weights or source.model.with_suffix(".bin")
    real = run_in_ncnn(source.model, weights, inputs, [blobs[name] for name in computed])
    whole = max(_difference(array, real[blobs[name]]) for name, array in computed.items())
    other = run_in_ncnn(source.model, weights, inputs, real, PLAIN)
    engine = max(_difference(other[blob], real[blob]) for blob in real)
    written = prune(network, directory)
    masked, smaller = (run_in_ncnn(one.model, one.weights, inputs, real) for one in written)
    difference = max(_difference(smaller[blob], masked[blob]) for blob in real)
    sizes = [one.weights.stat().st_size for one in written]
    return Differences(whole, engine, difference, 1 - sizes[1] / max(sizes[0], 1))


def _difference(found: np.ndarray, wanted: np.ndarray) -> float:
    assert found.shape == wanted.shape, f"shapes {found.shape} and {wanted.shape}"
    return float(np.abs(found - wanted).max() / max(np.abs(wanted).max(), 1e-30))
