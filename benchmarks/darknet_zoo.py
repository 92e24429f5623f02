"""Does every Darknet network load, agree with the real framework, and survive pruning?

For each cfg file: random weights (trained ones where they lie beside it), every lowered
layer against real Darknet (or OpenCV DNN for what only AlexeyAB's line has and for the
trained ones) on one random input, then ``prune`` at rate 0.5,
compact files, and every layer of those in the real framework against the kept channels
of the masked network. Inputs are made small because Darknet runs on one thread.

Usage: python benchmarks/darknet_zoo.py [--side 64] [name.cfg ...]
Needs the package ``darknet``; the table goes to RESULTS.md when the whole zoo is run.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import attrs
from networks import SHARED
from results import write_section

import prunus
from prunus.plugin import PrunusError, Written
from prunus_darknet.cfg import read_cfg
from prunus_darknet.library import CFG_FOLDER
from prunus_darknet.testing.compare import (
    Difference,
    compare_layers,
    random_input,
    real_layers,
)
from prunus_darknet.testing.opencv import opencv_layers
from prunus_darknet.testing.random_weights import small, write_random_weights

RATE = 0.5
HEADER = (
    "cfg", "judge", "layers compared", "error whole", "MACs removed", "error pruned", "seconds",
)  # fmt: skip
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
    rows: list[tuple[str, ...]] = []
    worst = 0.0
    for path in cfg_files(given.names):
        try:
            row = measure(path, LARGER.get(path.name, given.side))
        except PrunusError as error:
            refused = f"refused: {error}".replace(f"{path.parent}/", "")
            rows.append((shown(path), refused, "", "", "", "", ""))
            print(*rows[-1], flush=True)
            continue
        worst = max(worst, row.whole, row.pruned)
        errors = f"{row.whole:.1e}", f"{row.removed:.1%}", f"{row.pruned:.1e}"
        rows.append((row.name, row.judge, str(row.layers), *errors, f"{row.seconds:.1f}"))
        print(*rows[-1], flush=True)
    print(f"\nlargest relative error: {worst:.1e}")
    if given.names:
        return
    text = (
        f"Largest relative error over all layers compared: {worst:.1e}. Random weights, one random "
        f"input of {given.side}x{given.side} (alexnet: 128x128; trained networks: their own "
        "weights and size); benchmarks/darknet_zoo.py."
    )
    write_section("Every Darknet cfg, whole and pruned at rate 0.5", HEADER, rows, text)


def cfg_files(names: list[str]) -> Iterator[Path]:
    """All cfg files of the package and of the shared zoo, or those named."""
    models = SHARED / "models"
    found = [*sorted(CFG_FOLDER.glob("*.cfg")), *sorted(models.glob("zoo/darknet-cfg/*.cfg"))]
    for path in [*found, *sorted(models.glob("darknet/*/*.cfg"))]:
        if not names or path.name in names:
            yield path


def shown(path: Path) -> str:
    """Name with its origin."""
    if path.parent == CFG_FOLDER:
        return path.name
    return f"{'trained' if trained(path) else 'zoo'}/{path.name}"


def trained(path: Path) -> Path | None:
    """Trained weights beside a cfg."""
    return next(iter(path.parent.glob("*.weights")), None)


def measure(path: Path, side: int) -> Row:
    """Load, compare, prune, write, compare again."""
    begun = time.perf_counter()
    own = trained(path)
    opencv = path.name.startswith(ALEXEYAB_ONLY) or own is not None
    options = {"normalization": "opencv" if opencv else "pjreddie"}
    cfg = small(read_cfg(path), None if own else side)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model, weights = folder / path.name, folder / "random.weights"
        model.write_bytes(cfg.text.encode("latin-1"))
        if own is None:
            write_random_weights(cfg, weights, 0)
        else:
            shutil.copyfile(own, weights)
        network = prunus.load(model, weights, options=options)
        structure = network.origin.structure
        data = random_input(structure.input, 0)

        def judged(files: Written) -> dict:
            if opencv:
                indices = range(len(structure.layers))
                return opencv_layers(files.model, files.weights, data, indices)
            return real_layers(structure, files.model, files.weights, data)

        whole = compare_layers(network, judged(Written(model, weights)), data)
        plan = prunus.plan(network, rate=RATE)
        pruned = prunus.compact(prunus.prune(network, plan))
        files = pruned.save(folder / "out")
        masked, kept = pruned.masked.network, pruned.compact.kept
        after: Difference = compare_layers(masked, judged(files), data, kept)
    judge = "OpenCV DNN" if opencv else "Darknet"
    taken = time.perf_counter() - begun
    return Row(shown(path), judge, whole.compared, whole.error, plan.rate, after.error, taken)


if __name__ == "__main__":
    main()
