"""LeNet-300-100 and LeNet-5 pruned, shared and coded: the tables of Han 2015 and Han 2016.

The shared Caffe networks on MNIST, 60,000 training and 10,000 test images, by real commands:

- ``han``: ``prune --density`` at the densities of Han, Pool, Tran, Dally (NIPS 2015, tables 3 and
  4), ``finetune``, then ``compress`` with the bits of Han, Mao, Dally (ICLR 2016, tables 2 and 3);
- ``deep``: ``run`` in growing rounds with splicing (Guo, Yao, Chen, NIPS 2016), then ``compress``
  with trained values.

What ``decompress`` gives back is measured by ``eval``; no test image is seen by any other step but
in its reports. Rates and bits of ``deep`` were chosen by people who looked at these reports.
Usage: OMP_NUM_THREADS=1 python deep_compression.py lenet300100|lenet5 [han|deep]
"""

from __future__ import annotations

import resource
import shutil
import sys
from pathlib import Path

import attrs
import numpy as np
from command import prunus
from networks import ROOT, SHARED, mnist
from results import write_section

CAFFE = SHARED / "models/caffe"
BUILD = ROOT / "build/deep_compression"
SCALE = np.float32(1 / 256)
"""``transform_param`` of both networks."""

BATCH, SPLICING = 64, 100
"""Images of an update; updates between two choices of the weights that stay."""

TRAINED_VALUES = 600
"""Updates of shared values, at half the learning rate."""

RATE = 0.01

SOLVER = """type: "SGD"
base_lr: {rate}
lr_policy: "poly"
power: 1
momentum: 0.9
weight_decay: {decay}
max_iter: {updates}
"""

LENET300100 = """name: "LeNet-300-100"
input: "data"
input_dim: 1 input_dim: 1 input_dim: 28 input_dim: 28
layer { name: "ip1" type: "InnerProduct" bottom: "data" top: "ip1"
  inner_product_param { num_output: 300 } }
layer { name: "relu1" type: "ReLU" bottom: "ip1" top: "ip1" }
layer { name: "ip2" type: "InnerProduct" bottom: "ip1" top: "ip2"
  inner_product_param { num_output: 100 } }
layer { name: "relu2" type: "ReLU" bottom: "ip2" top: "ip2" }
layer { name: "ip3" type: "InnerProduct" bottom: "ip2" top: "ip3"
  inner_product_param { num_output: 10 } }
layer { name: "prob" type: "Softmax" bottom: "ip3" top: "prob" }
"""
"""The shared caffemodel comes without its prototxt."""


@attrs.frozen
class Paper:
    """A layer in the papers.

    Attributes:
        density, bits, stored: Han 2016: per cent of the weights, bits of a code, per cent of the
            dense bytes after Huffman's code.
        surgery: Density in per cent by Dynamic Network Surgery (Guo, Yao, Chen 2016).
    """

    density: float
    bits: int
    stored: float
    surgery: float


@attrs.frozen
class Subject:
    """A network, and what is done to it.

    Attributes:
        weights: The caffemodel.
        layers: Layers in the papers.
        stated: Errors before and after in per cent, and times smaller, by Han 2016.
        han_updates: Updates at Han's densities.
        rates: Shares of weights removed, round by round.
        updates: Of each round.
        bits: Of the values after the rounds.
    """

    weights: Path
    layers: dict[str, Paper]
    stated: tuple[float, float, int]
    han_updates: int
    rates: str
    updates: int
    bits: int


SUBJECTS = {
    "lenet300100": Subject(
        CAFFE / "lenet300100/lenet300100_original.caffemodel",
        {
            "ip1": Paper(8, 6, 2.32, 1.8),
            "ip2": Paper(9, 6, 3.04, 1.8),
            "ip3": Paper(26, 6, 12.70, 5.5),
        },
        (1.64, 1.58, 40),
        4000,
        "0.9,0.95,0.96",
        5000,
        5,
    ),
    "lenet5": Subject(
        CAFFE / "lenet/lenet_iter_10000.caffemodel",
        {
            "conv1": Paper(66, 8, 67.45, 14.2),
            "conv2": Paper(12, 8, 5.28, 3.1),
            "ip1": Paper(8, 5, 2.45, 0.7),
            "ip2": Paper(19, 5, 6.13, 4.3),
        },
        (0.80, 0.74, 39),
        2000,
        "0.9,0.96,0.98,0.985",
        3000,
        6,
    ),
}


def prototxt(name: str, folder: Path) -> Path:
    """The network's text."""
    if name == "lenet5":
        return CAFFE / "lenet/lenet.prototxt"
    path = folder / "lenet300100.prototxt"
    path.write_text(LENET300100)
    return path


def samples(folder: Path) -> tuple[Path, Path]:
    """Training and test images as the networks want them."""
    found = []
    for part in ("train", "t10k"):
        path = folder / f"{part}.npz"
        images, labels = mnist(part)
        np.savez(path, x=(images * SCALE).astype(np.float32), y=labels)
        found.append(path)
    return found[0], found[1]


def solver(folder: Path, rate: float, decay: float, updates: int) -> Path:
    """A recipe whose learning rate falls to zero in a line."""
    path = folder / f"solver_{updates}_{rate:g}.prototxt"
    path.write_text(SOLVER.format(rate=rate, decay=decay, updates=updates))
    return path


def error(model: Path, weights: Path, test: Path) -> float:
    """Test error of native files in per cent."""
    found = prunus("eval", *named(model, weights), "--data", str(test), "--metric", "top-1")
    return 100 * (1 - found["stages"][0]["metric"]["value"])


def named(model: Path, weights: Path) -> tuple[str, ...]:
    """Options that name files."""
    return "--model", str(model), "--weights", str(weights)


def measured(name: str, part: str) -> None:
    """One table: pruned by ``han`` or ``deep``, compressed, decompressed, measured."""
    subject, folder = SUBJECTS[name], BUILD / f"{name}_{part}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    train, test = samples(folder)
    model = prototxt(name, folder)
    workspace = ("--workspace", str(folder / "ws"))
    data = ("--data", str(test), "--metric", "top-1")
    training = ("--train-data", str(train), "--batch-size", str(BATCH), "--threads", "1")
    before = error(model, subject.weights, test)
    spent = seconds()
    if part == "han":
        densities = [f"{layer}={paper.density / 100}" for layer, paper in subject.layers.items()]
        options = [text for density in densities for text in ("--density", density)]
        given = (*named(model, subject.weights), *workspace, *data)
        prunus("prune", *given, "--granularity", "weight", *options)
        recipe = solver(folder, RATE, 0.0005, subject.han_updates)
        prunus("finetune", *workspace, *data, *training, "--solver", str(recipe),
               "--granularity", "weight")  # fmt: skip
        prunus("transform", *workspace)
        bits = [
            text
            for layer, paper in subject.layers.items()
            for text in ("--bits", f"{layer}={paper.bits}")
        ]
    else:
        recipe = solver(folder, RATE, 0.0005, subject.updates)
        given = (*named(model, subject.weights), *workspace, *data, *training)
        prunus("run", *given, "--granularity", "weight", "--rates", subject.rates, "--allocation",
               "global", "--regrow", str(SPLICING), "--solver", str(recipe))  # fmt: skip
        bits = ["--bits", str(subject.bits)]
    container = folder / f"{name}.prunus"
    recipe = solver(folder, RATE / 2, 0, TRAINED_VALUES)
    found = prunus("compress", *workspace, *data, *training, *bits, "--output", str(container),
                   "--solver", str(recipe), "--iterations", str(TRAINED_VALUES))  # fmt: skip
    files = prunus("decompress", str(container), "--output", str(folder / "native"))["files"]
    after = error(*(Path(file) for file in files[:2]), test)
    written(name, part, found, (before, after), container, seconds() - spent)


def seconds() -> float:
    """Processor seconds of all commands so far."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def written(name, part, found, errors, container, spent):
    """The table."""
    subject, layers = SUBJECTS[name], found["storage"]
    rows = []
    for one in layers:
        paper = subject.layers[one["layer"]]
        coded = one["codebook"] + one["positions"] + one["codes"]
        rows.append(
            (
                one["layer"],
                f"{one['weights']:,}",
                f"{paper.density:g} %",
                f"{paper.surgery:g} %",
                f"{one['nonzero'] / one['weights']:.2%}",
                str(paper.bits),
                str(one["bits"]),
                f"{one['dense'] * paper.stored / 100:,.0f} ({paper.stored:g} %)",
                f"{coded:,} ({coded / one['dense']:.2%})",
            )
        )
    weights, kept = (sum(one[key] for one in layers) for key in ("weights", "nonzero"))
    coded = sum(one["codebook"] + one["positions"] + one["codes"] for one in layers)
    paper = sum(one["dense"] * subject.layers[one["layer"]].stored / 100 for one in layers)
    rows.append(
        (
            "all weights",
            f"{weights:,}",
            "8 %",
            "1.8 %" if name == "lenet300100" else "0.9 %",
            f"{kept / weights:.2%}",
            "",
            "",
            f"{paper:,.0f}",
            f"{coded:,} ({coded / weights / 4:.2%})",
        )
    )
    before, after = subject.stated[:2]
    dense, size = subject.weights.stat().st_size, container.stat().st_size
    params = 4 * found["stages"][0]["params"]
    text = (
        f"Test error {errors[0]:.2f} % -> {errors[1]:.2f} % (the paper: {before:.2f} -> "
        f"{after:.2f} %). Fewer weights: {weights / kept:.1f} times. Float32 bytes of weights over "
        f"their bytes in the container: {4 * weights / coded:.1f}. **Float32 bytes of all "
        f"{params // 4:,} parameters over the whole container: {params:,} / {size:,} = "
        f"{params / size:.1f} times** (the paper: {subject.stated[2]}); the caffemodel has "
        f"{dense:,} bytes. {spent:.0f} s of processor time.{CHOSEN[part]}"
    )
    write_section(
        f"Deep Compression: {name}, {TITLES[part]} (deep_compression.py)",
        (
            "layer",
            "weights",
            "density, Han",
            "density, DNS",
            "density",
            "bits, Han",
            "bits",
            "bytes, Han",
            "bytes",
        ),
        rows,
        text,
    )


CHOSEN = {"han": "", "deep": " Rates and bits were chosen by looking at test errors."}
"""Source of the settings."""

TITLES = {"han": "densities of Han 2015", "deep": "splicing"}


def main() -> None:
    """Asked-for tables."""
    for part in sys.argv[2:] or ["han", "deep"]:
        measured(sys.argv[1], part)


if __name__ == "__main__":
    main()
