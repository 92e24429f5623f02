"""Does the container reproduce the storage arithmetic of Deep Compression, and how fast is it?

AlexNet and VGG-16 of Han, Mao, Dally 2016, tables 4 and 5, as random weights: each layer has the
paper's density, its number of shared values (8 bits for convolutions, 5 for fully connected layers)
and, in the first row of a network, the lengths of the paper's Huffman codes. Symbols of the values
get probabilities that fall geometrically from the middle of the codebook; positions get a density
that differs from block to block. Both are solved for the paper's bits a code, as far as it can be
done (independent positions take the most). The second row is without that: Gaussian weights, the
smallest pruned, shared by k-means here; nothing makes some codes or gaps more frequent than others.

Measured, each in a process of its own: a file of all weights -> codes ("share"), codes -> container
("encode"), container -> file ("decompress", with all digests); megabytes of float32 weights a
second of processor time, and peak resident memory beside the size of the file, Python and its
libraries included. The files come back bit by bit, which is checked.

Usage: python benchmarks/entropy_coding.py
"""

from __future__ import annotations

import argparse
import hashlib
import heapq
import itertools
import json
import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import attrs
import numpy as np
from child import fastest, peak_memory
from numpy.typing import NDArray
from results import write_section

from prunus.compression.container import pack
from prunus.compression.decompress import decompress
from prunus.compression.positions import padded
from prunus.compression.shared import Shared, coded_by, rounded, shared_exactly
from prunus.methods.k_means import k_means
from prunus.plugin import Written


@attrs.frozen
class Layer:
    """One row of the paper's tables.

    Attributes:
        name, shape: The layer.
        density: Per cent of its weights that are left.
        bits, coded_bits: Bits of a value before and after Huffman's code.
        index, coded_index: The same of a position.
        stored: Per cent of the dense weights' bytes after all stages.
    """

    name: str
    shape: tuple[int, ...]
    density: float
    bits: int
    coded_bits: float
    index: int
    coded_index: float
    stored: float

    @property
    def size(self) -> int:
        """Number of weights."""
        return math.prod(self.shape)


ALEXNET = (
    Layer("conv1", (96, 3, 11, 11), 84, 8, 6.3, 4, 1.2, 20.53),
    Layer("conv2", (256, 48, 5, 5), 38, 8, 5.5, 4, 2.3, 9.43),
    Layer("conv3", (384, 256, 3, 3), 35, 8, 5.1, 4, 2.6, 8.44),
    Layer("conv4", (384, 192, 3, 3), 37, 8, 5.2, 4, 2.5, 9.11),
    Layer("conv5", (256, 192, 3, 3), 37, 8, 5.6, 4, 2.5, 9.43),
    Layer("fc6", (4096, 9216), 9, 5, 3.9, 4, 3.2, 2.39),
    Layer("fc7", (4096, 4096), 9, 5, 3.6, 4, 3.7, 2.46),
    Layer("fc8", (1000, 4096), 25, 5, 4.0, 4, 3.2, 5.85),
)
VGG16 = (
    Layer("conv1_1", (64, 3, 3, 3), 58, 8, 6.8, 5, 1.7, 29.97),
    Layer("conv1_2", (64, 64, 3, 3), 22, 8, 6.5, 5, 2.6, 6.99),
    Layer("conv2_1", (128, 64, 3, 3), 34, 8, 5.6, 5, 2.4, 8.91),
    Layer("conv2_2", (128, 128, 3, 3), 36, 8, 5.9, 5, 2.3, 9.31),
    Layer("conv3_1", (256, 128, 3, 3), 53, 8, 4.8, 5, 1.8, 11.15),
    Layer("conv3_2", (256, 256, 3, 3), 24, 8, 4.6, 5, 2.9, 5.67),
    Layer("conv3_3", (256, 256, 3, 3), 42, 8, 4.6, 5, 2.2, 8.96),
    Layer("conv4_1", (512, 256, 3, 3), 32, 8, 4.6, 5, 2.6, 7.29),
    Layer("conv4_2", (512, 512, 3, 3), 27, 8, 4.2, 5, 2.9, 5.93),
    Layer("conv4_3", (512, 512, 3, 3), 34, 8, 4.4, 5, 2.5, 7.47),
    Layer("conv5_1", (512, 512, 3, 3), 35, 8, 4.7, 5, 2.5, 8.00),
    Layer("conv5_2", (512, 512, 3, 3), 29, 8, 4.6, 5, 2.7, 6.52),
    Layer("conv5_3", (512, 512, 3, 3), 36, 8, 4.6, 5, 2.3, 7.79),
    Layer("fc6", (4096, 25088), 4, 5, 3.6, 5, 3.5, 1.10),
    Layer("fc7", (4096, 4096), 4, 5, 4.0, 5, 4.3, 1.25),
    Layer("fc8", (1000, 4096), 23, 5, 4.0, 5, 3.4, 5.24),
)


@attrs.frozen
class Total:
    """Last row of one of the paper's tables.

    Attributes:
        stated: Times smaller in the paper's abstract.
        shared: Per cent of the dense bytes after pruning and sharing, before Huffman's code.
        bits, index: Mean bits of a value and of a position then.
    """

    stated: int
    shared: float
    bits: float
    index: float

    @property
    def entries(self) -> float:
        """Values and padding zeros in per cent of the weights that this row implies."""
        return self.shared * 32 / (self.bits + self.index)


NETWORKS = {
    "AlexNet": (ALEXNET, Total(35, 3.7, 5.4, 4)),
    "VGG-16": (VGG16, Total(49, 3.2, 6.4, 5)),
}
"""Layers, and the last row of their table."""

TEXT = " ".join(
    """`benchmarks/entropy_coding.py`. Goals: 35 and 49 times within 5 %, 100 MB/s, memory of 2
times the file. Two sums of the paper are beside ours. "Paper's rows": what the rows of its tables 4
and 5 add up to. "Paper's last row": the entries that the total before Huffman's code implies
(3.7 % = entries x (5.4 + 4) / 32 for AlexNet, 3.2 % = entries x (6.4 + 5) / 32 for VGG-16) times
the mean code lengths of the weights that were made, by Huffman's code of values and of the paper's
relative index, over 32. The two agree for AlexNet and differ for VGG-16: its last row has 8.98
entries for 100 weights, its rows have 8.35. The container follows the rows. Share: a file's
weights, which have few values, to codes. Encode: codes to the container. Both together take the sum
of both times, and k-means comes before them. MB/s are megabytes of float32 weights a second of
processor time, on 2 CPU cores shared with other work; memory is the peak over the size of the
file.""".split()
)

SAMPLE = 400_000
"""Weights of a layer that slopes are solved on."""

BLOCK = 1024
"""Neighbouring weights of one density."""

Array = NDArray[np.float32]


def main() -> None:
    """Make, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--child", nargs=4, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        kind, network, weights, folder = given.child
        print(json.dumps(CHILDREN[kind](network, weights, Path(folder))))
        return
    rows, tables = [], []
    for network, (layers, total) in NETWORKS.items():
        for weights in WEIGHTS:
            with tempfile.TemporaryDirectory() as folder:
                options = (__file__, "--child", "make", network, weights, folder)
                found = {"make": json.loads(subprocess.check_output([sys.executable, *options]))}
                for kind in ("encode", "decompress"):
                    options = (__file__, "--child", kind, network, weights, folder)
                    found[kind] = fastest(*options, by="seconds")
            rows.append(row_of(network, weights, layers, total, found))
            tables.append((network, weights, layers, found["encode"]["layers"]))
    write_section(
        "Storage arithmetic of Deep Compression, and speed of the container",
        (
            "network",
            "weights",
            "MB",
            "container MB",
            "times smaller",
            "paper's rows",
            "paper's last row",
            "stated",
            "k-means MB/s",
            "share MB/s",
            "encode MB/s",
            "decompress MB/s",
            "memory encode, decompress",
        ),
        rows,
        TEXT,
    )
    for network, weights, layers, stored in tables:
        if weights == "paper's codes":
            write_section(
                f"Storage arithmetic of Deep Compression: layers of {network}",
                ("layer", "weights", "density", "bits, index", "paper", "container"),
                [
                    (
                        layer.name,
                        f"{layer.size:,}",
                        f"{layer.density:g} %",
                        f"{layer.bits}, {layer.index}",
                        f"{layer.stored:.2f} %",
                        f"{100 * stored[layer.name] / (4 * layer.size):.2f} %",
                    )
                    for layer in layers
                ],
            )


def row_of(network, weights, layers, total, found):
    """One line of the table."""
    size = found["make"]["bytes"]
    rows = sum(layer.size for layer in layers) / sum(
        layer.size * layer.stored / 100 for layer in layers
    )
    container = found["encode"]["bytes"]
    k_means_speed = found["make"].get("k_means")
    return (
        network,
        weights,
        f"{size / 1e6:.1f}",
        f"{container / 1e6:.2f}",
        f"{size / container:.1f}",
        f"{rows:.1f}",
        f"{3200 / total.entries / found['make']['bits']:.1f}",
        str(total.stated),
        "" if not k_means_speed else f"{size / k_means_speed / 1e6:.0f}",
        f"{size / found['encode']['share'] / 1e6:.0f}",
        f"{size / found['encode']['seconds'] / 1e6:.0f}",
        f"{size / found['decompress']['seconds'] / 1e6:.0f}",
        f"{found['encode']['memory'] / size:.2f}, {found['decompress']['memory'] / size:.2f}",
    )


def make(network: str, weights: str, folder: Path) -> dict[str, float]:
    """Write a file of all weights with shared values; mean bits of a weight by Huffman's code."""
    seconds = kept = bits = 0.0
    draw = np.random.default_rng(0)
    with (folder / "net.weights").open("wb") as file:
        for layer in NETWORKS[network][0]:
            tensor, spent = WEIGHTS[weights](layer, draw)
            seconds += spent
            file.write(tensor.tobytes())
            kept += np.count_nonzero(tensor)
            bits += np.count_nonzero(tensor) * mean_length(layer, tensor)
    size = (folder / "net.weights").stat().st_size
    return {"bytes": size, "k_means": seconds, "bits": bits / kept}


def encode(network: str, weights: str, folder: Path) -> dict[str, object]:
    """Codes of a file's weights, then the container."""
    start = time.process_time()
    shared = dict(shared_layers(network, folder / "net.weights"))
    middle = time.process_time()
    file = folder / "net.weights"
    data, header = pack(folder, [file], Written(file, None), "raw", shared)
    end = time.process_time()
    (folder / "net.prunus").write_bytes(data)
    layers = {head.name: sum(head.streams) for head in header.tensors}
    return {
        "bytes": len(data),
        "share": middle - start,
        "seconds": end - middle,
        "memory": peak_memory(),
        "layers": layers,
    }


def unpack(network: str, weights: str, folder: Path) -> dict[str, float]:
    """The file back again."""
    start = time.process_time()
    written = decompress(folder / "net.prunus", folder / "out")
    seconds, memory = time.process_time() - start, peak_memory()
    assert digest(written.model) == digest(folder / "net.weights")
    return {"seconds": seconds, "memory": memory}


CHILDREN: dict[str, Callable[[str, str, Path], dict]] = {
    "make": make,
    "encode": encode,
    "decompress": unpack,
}


def shared_layers(network: str, path: Path) -> Iterator[tuple[str, Shared]]:
    """Every layer of the file as its values and codes."""
    with path.open("rb") as file:
        for layer in NETWORKS[network][0]:
            tensor = np.fromfile(file, np.float32, layer.size).reshape(layer.shape)
            shared = shared_exactly(tensor, 2**layer.bits)
            assert shared is not None
            yield layer.name, shared


def like_the_paper(layer: Layer, draw: np.random.Generator) -> tuple[Array, float]:
    """Weights whose relative index and codes take the paper's bits under Huffman's code."""
    spread = solved(lambda x: index_length(layer, positions(layer, x, SAMPLE)), layer.coded_index)
    held = positions(layer, spread, layer.size, draw)
    padding = padded(held[: max(SAMPLE, 1)], layer.index) - int(held[:SAMPLE].sum())
    share = padding / max(1, padding + int(held[:SAMPLE].sum()))
    slope = solved(lambda x: value_length(layer, x, share), layer.coded_bits)
    codebook = rounded(np.sort(draw.standard_normal(2**layer.bits - 1)).astype(np.float32))
    chances = probabilities(codebook.size, slope)
    tensor = np.zeros(layer.size, np.float32)
    tensor[held] = draw.choice(codebook, int(held.sum()), p=chances)
    return tensor, 0.0


def gaussian(layer: Layer, draw: np.random.Generator) -> tuple[Array, float]:
    """Gaussian weights, the smallest pruned, shared by k-means; and its seconds."""
    tensor = draw.standard_normal(layer.size, np.float32)
    least = np.quantile(np.abs(tensor[:SAMPLE]), 1 - layer.density / 100)
    tensor[np.abs(tensor) < least] = 0
    start = time.process_time()
    values = rounded(k_means(tensor[tensor != 0], 2**layer.bits - 1))
    tensor = coded_by(np.union1d(values, np.float32([0])), tensor).weights().astype(np.float32)
    return tensor, time.process_time() - start


WEIGHTS = {"paper's codes": like_the_paper, "Gaussian": gaussian}


def positions(
    layer: Layer, spread: float, size: int, draw: np.random.Generator | None = None
) -> NDArray[np.bool_]:
    """Weights that are left: blocks whose density follows a gamma distribution of this spread."""
    random = np.random.default_rng(1) if draw is None else draw
    count = -(-size // BLOCK)
    mean = layer.density / 100
    density = (
        np.full(count, mean) if spread < 1e-3 else mean * random.gamma(1 / spread, spread, count)
    )
    density = np.minimum(density, 1)
    density *= mean / density.mean()  # what was cut off
    return random.random(size, np.float32) < np.repeat(density, BLOCK)[:size].astype(np.float32)


def index_length(layer: Layer, held: NDArray[np.bool_]) -> float:
    """Bits of a position of the paper's relative index under Huffman's code."""
    limit = 2**layer.index
    distances = np.diff(np.flatnonzero(held), prepend=-1) - 1
    counts = np.bincount(distances % limit, minlength=limit)
    counts[limit - 1] += int((distances // limit).sum())
    return huffman_length(counts / counts.sum())


def mean_length(layer: Layer, tensor: Array) -> float:
    """Bits of an entry by Huffman's code: its value, padding zeros among them, and its position."""
    part = tensor.reshape(-1)[:SAMPLE]
    held = part != 0
    padding = padded(held, layer.index) - int(held.sum())
    counts = np.append(np.unique(part[held], return_counts=True)[1], padding)
    return huffman_length(counts / counts.sum()) + index_length(layer, held)


def value_length(layer: Layer, slope: float, padding: float) -> float:
    """Bits of a value under Huffman's code, padding zeros being one of the values."""
    chances = (1 - padding) * probabilities(2**layer.bits - 1, slope)
    return huffman_length(np.append(chances, padding))


def probabilities(count: int, slope: float) -> NDArray[np.float64]:
    """Falling geometrically from the middle of a codebook."""
    chances = np.exp(-slope * np.abs(np.arange(count) - count // 2))
    return chances / chances.sum()


def huffman_length(chances: NDArray[np.float64]) -> float:
    """Mean length of Huffman's code: the sum of all inner nodes of its tree."""
    heap = [float(chance) for chance in chances if chance > 0]
    heapq.heapify(heap)
    total = 0.0
    while len(heap) > 1:
        node = heapq.heappop(heap) + heapq.heappop(heap)
        total += node
        heapq.heappush(heap, node)
    return total


def solved(length: Callable[[float], float], wanted: float) -> float:
    """Where a falling function of 0 to 20 has a value; the nearer end where it has none."""
    low, high = 0.0, 20.0
    if length(low) <= wanted:
        return low
    for _ in itertools.repeat(None, 24):
        middle = (low + high) / 2
        low, high = (middle, high) if length(middle) > wanted else (low, middle)
    return low


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


if __name__ == "__main__":
    sys.exit(main())
