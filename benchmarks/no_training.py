"""Accuracy right after `prune` at rate 0.5, by number of unlabelled inputs: no label, no gradient.

CIFAR-10, all 10,000 test images; the inputs are training images. Four settings, all compensated:
channels by magnitude in equal shares; the defaults; the defaults with multiples of 2 instead of
those that engines run fast; the defaults with the plan made for the network that a first round at
rate 0.3 leaves, and carried out on the original. Beside them Torch-Pruning, which takes no inputs.
Processor seconds are those of plans and compensation together. Rows are kept in build/no_training
as they are found, and the table holds all there are: runs of one number of inputs each make one
table.

Usage: python benchmarks/no_training.py [resnet20] [resnet32] [vgg16] [--inputs 0 64]
           [--settings "defaults" "defaults, planned in two rounds"]
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from cifar_vgg import FILE, as_vgg
from networks import ROOT, SHARED, cifar10, normalised, read
from results import write_section
from torch import nn
from torch_pruning_peer import accuracy, as_module, pruned

import prunus
from prunus.plugin import Dataset, Network

RATE = 0.5
COUNTS = (0, 64, 256, 1024, 4096)
SETTINGS: Mapping[str, tuple[tuple[float, ...], Mapping[str, Any]]] = {
    "l1, equal shares": ((RATE,), {"criterion": "l1", "allocation": "uniform"}),
    "defaults": ((RATE,), {}),
    "defaults, multiples of 2": ((RATE,), {"multiple": 2}),
    "defaults, planned in two rounds": ((0.3, RATE), {}),
}
"""Setting -> rates of its plans, and their options."""

ONNX = SHARED / "models/onnx"
NETWORKS: Mapping[str, tuple[Path, Callable[[Network], nn.Module]]] = {
    "resnet20": (ONNX / "resnet20_cifar10.onnx", as_module),
    "resnet32": (ONNX / "resnet32_cifar10.onnx", as_module),
    "vgg16": (FILE, as_vgg),
}
"""Network -> its file, and what makes the same as a PyTorch module."""

PEER = "Torch-Pruning 1.6.1"
BUILD = ROOT / "build/no_training"


def keep(name: str, setting: str, count: int, value: float, seconds: float) -> None:
    """Remember one number, and write the table anew."""
    BUILD.mkdir(parents=True, exist_ok=True)
    found = {"setting": setting, "inputs": count, "accuracy": value, "seconds": seconds}
    (BUILD / f"{name} {setting} {count}.json").write_text(json.dumps(found))
    print(name, found, flush=True)
    known = [json.loads(path.read_text()) for path in BUILD.glob(f"{name} *.json")]
    cells = {(one["setting"], one["inputs"]): one for one in known}
    names = [*SETTINGS, PEER]
    rows = []
    for inputs in COUNTS:
        row = [name, str(inputs)]
        for column in names:
            one = cells.get((column, inputs))
            row += [f"{one['accuracy']:.2%}", f"{one['seconds']:.0f}"] if one else ["", ""]
        if any(row[2:]):
            rows.append(row)
    header = ["network", "inputs"]
    for column in names:
        header += [column, "seconds"]
    title = f"{name} on CIFAR-10 at rate 0.5 without training (no_training.py)"
    write_section(title, header, rows)


def measure(name: str, network: Network, count: int, settings: Sequence[str]) -> None:
    """Accuracy and seconds of some settings for a number of inputs."""
    train, test = (normalised(network, *cifar10(part)) for part in ("train_batch_1", "test"))
    inputs = dict(train.read(np.arange(count), None).inputs) if count else None
    for setting in settings:
        rates, options = SETTINGS[setting]
        start, left = time.process_time(), network
        for rate in rates:
            plan = prunus.plan(left, rate=rate, data=inputs, **options)
            left = prunus.prune(network, plan, data=inputs).network
        seconds = time.process_time() - start
        keep(name, setting, count, prunus.evaluate(left, test, metric="top-1").value, seconds)


def peer(name: str, network: Network, test: Dataset) -> None:
    """The same of Torch-Pruning, and the network as it is."""
    print(name, f"whole: {prunus.evaluate(network, test, metric='top-1').value:.2%}", flush=True)
    _, as_torch = NETWORKS[name]
    module, lost, seconds = pruned(lambda: as_torch(network), RATE)
    print(f"{name}: Torch-Pruning removes {lost:.2%} of the MACs", flush=True)
    keep(name, PEER, 0, accuracy(module, test), seconds)


def main() -> None:
    """The networks and numbers of inputs named on the command line, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("networks", nargs="*", default=["resnet20", "resnet32"])
    parser.add_argument("--inputs", type=int, nargs="+", default=COUNTS)
    parser.add_argument("--settings", nargs="+", default=[*SETTINGS], choices=[*SETTINGS])
    given = parser.parse_args()
    for name in given.networks:
        network = read(NETWORKS[name][0])
        for count in given.inputs:
            if not count:
                peer(name, network, normalised(network, *cifar10()))
            measure(name, network, count, given.settings)


if __name__ == "__main__":
    main()
