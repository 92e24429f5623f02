"""Time saved over multiply-accumulates saved, in the engines that networks are deployed on.

    python benchmarks/engines.py [--engines onnxruntime,openvino,ncnn] [network ...]

Each network is pruned at rate 0.5, and by `latency` 0.5 of each engine; both are timed in turns
with the whole network, one sample at a time. Random weights where no weights exist: engines do not
care. Channels go by l1, at equal shares for the rate and slow groups first for the time, so that no
data is needed. Rows of other networks and engines stay in the table as they are.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import attrs
from networks import SHARED, read
from results import write_rows

import prunus
from prunus import Network
from prunus.plugin import PrunusError
from prunus_darknet.cfg import read_cfg
from prunus_darknet.testing.random_weights import write_random_weights

MODELS = SHARED / "models"
ZOO = MODELS / "zoo"
THREADS = 2
SECONDS = 2.0
"""Time for one network in one engine."""

TITLE = "Time saved over MACs saved, by engine (engines.py)"
TEXT = (
    f"{THREADS} threads, one sample at a time, random weights (yolo-fastest: its own), l1; equal "
    "shares for the rate, `slow-first` for the time. Time saved is the median over turns in which"
    " whole and pruned network run side by side. Processor time is that of all threads, and of "
    "threads that spin until others are ready, too. What bounds small networks: `least_times.py`."
)
HEADER = (
    "network", "engine", "ms",
    "rate 0.5: MACs saved", "time saved", "ratio", "processor time saved", "ratio",
    "latency 0.5: MACs saved", "time saved", "ratio", "processor time saved", "ratio",
)  # fmt: skip


def caffe(path: str) -> Network:
    return read(ZOO / "caffe" / path, options={"weights": "random"})


def yolov3_tiny() -> Network:
    with tempfile.TemporaryDirectory() as folder:
        cfg = ZOO / "darknet-cfg/yolov3-tiny.cfg"
        weights = Path(folder) / "random.weights"
        write_random_weights(read_cfg(cfg), weights, 0)
        return read(cfg, weights)


def yolo_fastest() -> Network:
    folder = MODELS / "darknet/yolo-fastest-1.0"
    return read(folder / "yolo-fastest.cfg", folder / "yolo-fastest.weights")


NETWORKS: dict[str, Callable[[], Network]] = {
    "SqueezeNet 1.1": lambda: caffe("squeezenet_v1.1/deploy.prototxt"),
    "MobileNet v1": lambda: caffe("mobilenet/mobilenet_deploy.prototxt"),
    "MobileNet v2": lambda: caffe("mobilenet/mobilenet_v2_deploy.prototxt"),
    "ResNet-50": lambda: caffe("resnet/ResNet-50-deploy.prototxt"),
    "yolov3-tiny": yolov3_tiny,
    "yolo-fastest": yolo_fastest,
}


@attrs.frozen
class Saved:
    """What came of a plan: milliseconds of the whole network, and shares that are saved."""

    milliseconds: float
    macs: float
    clock: float
    work: float

    @property
    def cells(self) -> tuple[str, ...]:
        """Cells of the table."""
        shares = (self.clock, self.clock / self.macs, self.work, self.work / self.macs)
        return (f"{self.macs:.3f}", *(f"{share:.2f}" for share in shares))


def saved(network: Network, engine: str, target: dict[str, float]) -> Saved:
    """Carry a plan out and time it."""
    plan = prunus.plan(network, engine=engine, **target)  # type: ignore[arg-type]
    small = prunus.compact(prunus.prune(network, plan))
    found = prunus.bench(network, small, engines=engine, threads=THREADS, seconds=SECONDS)
    before, after = (row.timing for row in found.times)
    return Saved(before.milliseconds, plan.rate, 1 - after.share, 1 - after.work / before.work)


def row(name: str, network: Network, engine: str) -> tuple[str, ...]:
    """One line of the table."""
    cells = [name, engine, ""]
    for target in ({"rate": 0.5}, {"latency": 0.5}):
        try:
            found = saved(network, engine, target)
        except PrunusError as error:
            cells += [str(error), "", "", "", ""]
            continue
        cells[2] = f"{found.milliseconds:.1f}"
        cells += found.cells
    return tuple(cells)


def chosen(
    parser: argparse.ArgumentParser,
) -> Iterator[tuple[argparse.Namespace, str, str, Network]]:
    """What the command line says; name of a network, engine, the network."""
    parser.add_argument("--engines", default="onnxruntime,openvino,ncnn")
    parser.add_argument("names", nargs="*")
    given = parser.parse_args()
    for name, make in NETWORKS.items():
        if not given.names or name in given.names:
            network = make()
            for engine in given.engines.split(","):
                yield given, name, engine, network


def main() -> None:
    """The table."""
    for _, name, engine, network in chosen(argparse.ArgumentParser(description=__doc__)):
        found = row(name, network, engine)
        print(*found, f"load {os.getloadavg()[0]:.1f}", sep=" | ", flush=True)
        write_rows(TITLE, HEADER, [found], 2, TEXT)


if __name__ == "__main__":
    main()
