"""An analysis on 1, 2 and 4 Dask workers of one thread: measured here, and reckoned.

    python benchmarks/cluster.py [SAMPLES]

ResNet-20 on CIFAR-10 test images. Every worker is held on one processor; this machine has two, so
that 4 workers share them. Reckoned: a worker takes the next part when it is free, as the scheduler
does, and a part takes the processor seconds that it took here. That is what as many workers with a
processor each would need.
"""

from __future__ import annotations

import heapq
import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from distributed import Client, LocalCluster
from networks import ROOT, SHARED, cifar10, normalised, read
from results import write_section

from prunus.plugin import Settings, spread

BUILD = ROOT / "build/cluster"
TRIALS = (
    ("fast", 1, 1),
    ("fast", 2, 2),
    ("fast", 4, 4),
    ("exact", 1, 1),
    ("exact", 2, 4),
    ("exact", 4, 8),
)
"""Analysis, workers and parts; `fast` does much of its work in every part."""


class Timed(Executor):
    """Passes work on and notes the processor seconds of each piece."""

    def __init__(self, executor: Executor) -> None:
        self.executor = executor
        self.seconds: list[float] = []

    def map(self, function: Callable[..., Any], *things: Iterable[Any], **_: Any) -> list[Any]:  # type: ignore[override]
        """Results in order."""
        pairs = list(self.executor.map(partial(timed, function), *things))
        self.seconds = [seconds for _, seconds in pairs]
        return [result for result, _ in pairs]


def timed(function: Callable[..., Any], *given: Any) -> tuple[Any, float]:
    """What a function gives, and the processor seconds of the process meanwhile."""
    start = time.process_time()
    return function(*given), time.process_time() - start


def hold(dask_worker: Any) -> None:
    """Keep every thread of a worker on one processor."""
    processor = sorted(os.sched_getaffinity(0))[int(dask_worker.name) % os.cpu_count()]
    for thread in os.listdir("/proc/self/task"):
        os.sched_setaffinity(int(thread), {processor})


def measured(
    workers: int, parts: int, settings: Settings, analysis: str
) -> tuple[float, list[float]]:
    """Seconds of the clock, and processor seconds of each part; workers have started before."""
    with (
        LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        client.run(hold)
        client.run(partial(__import__, "prunus.plugin"))
        executor = Timed(client.get_executor())
        start = time.perf_counter()
        spread(executor, settings, parts, analysis=analysis)
        return time.perf_counter() - start, executor.seconds


def reckoned(workers: int, seconds: list[float]) -> float:
    """When the last of so many workers ends; one that is free takes the next part."""
    ends = [0.0] * workers
    for part in seconds:
        heapq.heapreplace(ends, ends[0] + part)
    return max(ends)


def curves(workspace: Path) -> dict[str, Any]:
    """Group -> curve, of all parts."""
    parts = (json.loads(path.read_text()) for path in workspace.glob("ana.part-*.json"))
    return {curve["group"]: curve for part in parts for curve in part["curves"]}


def apart(one: dict[str, Any], other: dict[str, Any]) -> float:
    """Largest difference of two analyses' curves."""
    pairs = ((one[group]["points"], other[group]["points"]) for group in one)
    return max(
        abs(a["value"] - b["value"])
        for ours, theirs in pairs
        for a, b in zip(ours, theirs, strict=True)
    )


def main() -> None:
    """Measure and write the section."""
    samples = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    shutil.rmtree(BUILD, ignore_errors=True)
    BUILD.mkdir(parents=True)
    model = SHARED / "models/onnx/resnet20_cifar10.onnx"
    images, labels = cifar10()
    ready = normalised(read(model), images[:samples], labels[:samples])
    (x,) = ready.read(np.arange(samples), None).inputs.values()
    np.savez(BUILD / "samples.npz", x=x, y=labels[:samples])
    rows, whole = [], {}
    for analysis, workers, parts in TRIALS:
        workspace = BUILD / f"{analysis}-{workers}-{parts}"
        settings = Settings(model=model, data=str(BUILD / "samples.npz"), workspace=workspace)
        wall, cpu = measured(workers, parts, settings, analysis)
        time_, found = reckoned(workers, cpu), curves(workspace)
        first, expected = whole.setdefault(analysis, (time_, found))
        numbers = (wall, sum(cpu), time_)
        texts = (*(f"{n:.1f}" for n in numbers), f"{first / time_:.2f}")
        rows.append([analysis, str(workers), str(parts), *texts, f"{apart(expected, found):.1e}"])
    write_section(
        "An analysis on Dask workers (cluster.py)",
        ("analysis", "workers", "parts", "seconds, measured", "processor seconds of all parts",
         "seconds, reckoned", "times as fast, reckoned", "largest difference of a curve"),
        rows,
        f"ResNet-20, {samples} CIFAR-10 test images, a thread a worker. Measured on two "
        f"processors that {os.getloadavg()[2]:.0f} processes wanted, in the mean of the last "
        "quarter of an hour, this script's among them. Reckoned from the processor seconds of the "
        "parts: a processor for each worker and nothing else on it. Curves are compared "
        "with those of one part.",
    )  # fmt: skip


if __name__ == "__main__":
    main()
