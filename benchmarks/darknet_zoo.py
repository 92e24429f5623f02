"""Does every Darknet network load, agree with the real framework, and survive pruning?

For each cfg file: random weights, every lowered layer against real Darknet (or OpenCV
DNN for what only AlexeyAB's line has) on one random input, then ``prune`` at rate 0.5,
compact files, and every layer of those in the real framework against the kept channels
of the masked network. Inputs are made small because Darknet runs on one thread.

Usage: python benchmarks/darknet_zoo.py [--side 64] [name.cfg ...]
Prints a Markdown table; run from the checkout with the package ``darknet`` installed.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import attrs

from prunus.errors import PrunusError
from prunus.host import Host, start
from prunus.network import Destination, Source, Written
from prunus.settings import Settings
from prunus.steps.prune import prune
from prunus_darknet.cfg import read_cfg
from prunus_darknet.read import load
from prunus_darknet.testing.compare import (
    Difference,
    compare_layers,
    random_input,
    real_layers,
)
from prunus_darknet.testing.opencv import opencv_layers
from prunus_darknet.testing.random_weights import small, write_random_weights
from prunus_darknet.testing.real_darknet import CFG_FOLDER
from prunus_darknet.write import write

RATE = 0.5
ALEXEYAB_ONLY = ("yolov4", "csresnext50")
LARGER = {"alexnet.cfg": 128}


@attrs.frozen
class Row:
    """One line of the table."""

    name: str
    judge: str
    layers: int
    whole: float
    removed: float
    pruned: float
    seconds: float


def main() -> None:
    """Run the sweep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=64)
    parser.add_argument("names", nargs="*")
    given = parser.parse_args()
    host = start()
    print("| cfg | judge | layers compared | whole | MACs removed | pruned 0.5 | seconds |")
    print("|---|---|---|---|---|---|---|")
    worst = 0.0
    for path in cfg_files(given.names):
        try:
            row = measure(host, path, LARGER.get(path.name, given.side))
        except PrunusError as error:
            print(f"| {shown(path)} | refused: {error} | | | | | |".replace(f"{path.parent}/", ""))
            continue
        worst = max(worst, row.whole, row.pruned)
        print(
            f"| {row.name} | {row.judge} | {row.layers} | {row.whole:.1e} | {row.removed:.1%} "
            f"| {row.pruned:.1e} | {row.seconds:.1f} |",
            flush=True,
        )
    print(f"\nlargest relative error: {worst:.1e}")


def cfg_files(names: list[str]) -> Iterator[Path]:
    """All cfg files of the package and of the shared zoo, or those named."""
    shared = os.environ.get("PRUNUS_SHARED", str(Path(__file__).resolve().parents[2] / "shared"))
    for folder in (CFG_FOLDER, Path(shared) / "data/models/zoo/darknet-cfg"):
        for path in sorted(folder.glob("*.cfg")):
            if not names or path.name in names:
                yield path


def shown(path: Path) -> str:
    """Name with the place it comes from."""
    return path.name if path.parent == CFG_FOLDER else f"zoo/{path.name}"


def measure(host: Host, path: Path, side: int) -> Row:
    """Load, compare, prune, write, compare again."""
    begun = time.perf_counter()
    opencv = path.name.startswith(ALEXEYAB_ONLY)
    options = {"normalization": "opencv" if opencv else "pjreddie"}
    cfg = small(read_cfg(path), side)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model, weights = folder / path.name, folder / "random.weights"
        model.write_bytes(cfg.text.encode("latin-1"))
        write_random_weights(cfg, weights, 0)
        network = load(Source(model, weights, options))
        structure = network.origin.structure
        data = random_input(structure.input, 0)

        def judged(files: Written) -> dict:
            if opencv:
                indices = range(len(structure.layers))
                return opencv_layers(files.model, files.weights, data, indices)
            return real_layers(structure, files.model, files.weights, data)

        whole = compare_layers(network, judged(Written(model, weights)), data)
        settings = Settings(model, weights, workspace=folder / "ws", rate=RATE, options=options)
        pruned = prune(host, settings)
        (folder / "out").mkdir()
        destination = Destination(folder / "out", "compact")
        files = write(pruned.masked, pruned.compact, destination)
        after: Difference = compare_layers(pruned.masked, judged(files), data, pruned.compact.kept)
        removed = 1 - pruned.report.stages[1].macs / pruned.report.stages[0].macs
    judge = "OpenCV DNN" if opencv else "Darknet"
    taken = time.perf_counter() - begun
    return Row(shown(path), judge, whole.compared, whole.error, removed, after.error, taken)


if __name__ == "__main__":
    main()
