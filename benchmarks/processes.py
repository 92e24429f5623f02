"""Finetuning in 1, 2 and 4 processes of one thread under torchrun: time of an update, and weights.

    python benchmarks/processes.py [ITERATIONS]

ResNet-20 at rate 0.5, CIFAR-10 training images, 64 samples an update. This machine has two
processors: 4 processes share them, and other work may be on them too, so that the processor seconds
of a process are given beside those of the clock: they are those of the clock where each process has
a processor of its own and the others are never waited for.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from networks import ROOT, SHARED, cifar10, normalised, read
from results import write_section

import prunus
from prunus.plugin import Progress

BUILD = ROOT / "build/processes"
COUNTS = (1, 2, 4)
WARM = 3
"""Updates before the clock starts."""


def train(iterations: int) -> None:
    """One of the processes; the first one writes what it measured."""
    network = read(SHARED / "models/onnx/resnet20_cifar10.onnx")
    images, labels = cifar10("train_batch_1")
    data = normalised(network, images, labels)
    masked = prunus.prune(network, prunus.plan(network, rate=0.5, allocation="uniform"))
    times: list[tuple[float, float]] = []

    def report(progress: Progress) -> None:
        times.append((time.perf_counter(), time.process_time()))

    found = prunus.finetune(
        masked,
        data,
        iterations=iterations,
        batch_size=64,
        learning_rate=0.0005,
        options={"threads": "1"},
        report=report,
    )
    if times:  # only the first process reports
        first, last, count = times[WARM - 1], times[-1], len(times) - WARM
        wall, cpu = ((b - a) / count for a, b in zip(first, last, strict=True))
        name = os.environ["WORLD_SIZE"]
        (BUILD / f"{name}.json").write_text(json.dumps([wall, cpu]))
        np.savez(BUILD / f"{name}.npz", **found.network.weights())  # type: ignore[arg-type]


def difference(count: int) -> float:
    """Largest difference of a weight from that of one process, as a share of its array's."""
    one, other = (np.load(BUILD / f"{n}.npz") for n in (1, count))
    floats = [name for name in one if one[name].dtype == np.float32 and one[name].any()]
    return float(max(np.abs(one[n] - other[n]).max() / np.abs(one[n]).max() for n in floats))


def main(iterations: int) -> None:
    """Start the processes, and write the section."""
    shutil.rmtree(BUILD, ignore_errors=True)
    BUILD.mkdir(parents=True)
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node"]
    rows = []
    for count in COUNTS:
        own = [str(Path(__file__)), str(iterations), "process"]
        subprocess.run(
            [*launcher, str(count), *own], check=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
        )
        wall, cpu = json.loads((BUILD / f"{count}.json").read_text())
        alone = json.loads((BUILD / "1.json").read_text())[1]
        rows.append(
            [
                str(count),
                f"{wall:.2f}",
                f"{cpu:.2f}",
                f"{alone / cpu:.2f}",
                f"{difference(count):.1e}",
            ]
        )
    write_section(
        "Finetuning in several processes (processes.py)",
        ("processes", "seconds an update, measured", "processor seconds of a process",
         "one process's seconds over these", "largest difference of a weight"),
        rows,
        f"ResNet-20 at rate 0.5, 64 samples an update, {iterations} updates with batch statistics "
        "of all processes, gloo, one thread a process, two processors with "
        f"{os.getloadavg()[2]:.0f} processes on them in the mean of the last quarter of an hour. "
        "Differences are shares of the largest weight of an array, from one process with the whole "
        "batch.",
    )  # fmt: skip


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 12
    if sys.argv[2:] == ["process"]:
        train(count)
    else:
        main(count)
