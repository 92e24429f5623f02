"""An analysis on 1, 2 and 4 Dask workers of one thread: measured here, and reckoned.

    python benchmarks/cluster.py [SAMPLES]

ResNet-20 on CIFAR-10 test images, analysis in 8 parts. Every worker is held on one processor; this
machine has two, so that 4 workers share them. Reckoned: a worker takes the next part when it is
free, as the scheduler does, and a part takes the processor seconds that it took with one worker.
That is what as many workers with a processor each would need.
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
PARTS = 8
WORKERS = (1, 2, 4)


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


def measured(workers: int, settings: Settings) -> tuple[float, list[float]]:
    """Seconds of the clock, and processor seconds of each part; workers have started before."""
    with (
        LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        client.run(hold)
        client.run(partial(__import__, "prunus.plugin"))
        executor = Timed(client.get_executor())
        start = time.perf_counter()
        spread(executor, settings, PARTS)
        return time.perf_counter() - start, executor.seconds


def reckoned(workers: int, seconds: list[float]) -> float:
    """When the last of so many workers ends."""
    ends = [0.0] * workers
    for part in seconds:
        heapq.heapreplace(ends, ends[0] + part)
    return max(ends)


def curves(workspace: Path) -> dict[str, Any]:
    """Group -> curve, of all parts."""
    parts = (json.loads(path.read_text()) for path in workspace.glob("ana.part-*.json"))
    return {curve["group"]: curve for part in parts for curve in part["curves"]}


def main() -> None:
    """Measure and write the section."""
    samples = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    shutil.rmtree(BUILD, ignore_errors=True)
    BUILD.mkdir(parents=True)
    model = SHARED / "models/onnx/resnet20_cifar10.onnx"
    images, labels = cifar10()
    ready = normalised(read(model), images[:samples], labels[:samples])
    batch = ready.read(np.arange(samples), None)
    (x,) = batch.inputs.values()
    np.savez(BUILD / "samples.npz", x=x, y=labels[:samples])
    found = {}
    for workers in WORKERS:
        workspace = BUILD / f"{workers}"
        found[workers] = measured(
            workers, Settings(model=model, data=str(BUILD / "samples.npz"), workspace=workspace)
        )
        assert curves(workspace) == curves(BUILD / "1")
    alone = found[1][1]
    rows = [
        [str(n), f"{wall:.0f}", f"{sum(cpu):.0f}", f"{reckoned(n, alone):.0f}",
         f"{reckoned(1, alone) / reckoned(n, alone):.2f}"]
        for n, (wall, cpu) in found.items()
    ]  # fmt: skip
    write_section(
        "An analysis on Dask workers (cluster.py)",
        ("workers", "seconds, measured", "processor seconds of all parts",
         "seconds, reckoned", "times as fast, reckoned"),
        rows,
        f"ResNet-20, {samples} CIFAR-10 test images, 8 parts, a thread a worker. Measured on two "
        f"processors that {os.getloadavg()[2]:.0f} processes wanted, in the mean of the last "
        "quarter of an hour, this script's among them. Reckoned from the processor seconds of one "
        "worker's parts: a processor for each worker and nothing else on it. All curves have the "
        "same bits.",
    )  # fmt: skip


if __name__ == "__main__":
    main()
