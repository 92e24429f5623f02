"""What does YOLOv3 at full size (237 MB of weights) cost to prune without evaluation?

Baseline: reading the weights file into an array and writing it again, once from disk (the
page cache emptied of it before, synchronised after) and once within the page cache. Measured,
each in a process of its own: load, groups, scores and plan (rate 0.5, allocation uniform),
compact, write; wall time and peak resident memory, which counts the mapped pages of the
weights file too. At the end the table of groups.

Usage: python benchmarks/darknet_scale.py [--cfg yolov3.cfg]
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path

import numpy as np
from child import REPEATS, fastest, peak_memory
from results import write_section

from prunus_darknet.cfg import read_cfg
from prunus_darknet.library import CFG_FOLDER
from prunus_darknet.testing.random_weights import write_random_weights


def main() -> None:
    """Generate weights, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cfg", type=Path, default=CFG_FOLDER / "yolov3.cfg")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--plain", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--disk", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure is not None:
        measure(given.cfg, given.measure, plain=given.plain, disk=given.disk)
        return
    with tempfile.TemporaryDirectory() as name:
        weights = Path(name, "random.weights")
        write_random_weights(read_cfg(given.cfg), weights, 0)
        size = weights.stat().st_size / 1e6
        command = (__file__, "--cfg", str(given.cfg), "--measure", str(weights))
        warm = min(rewritten(weights) for _ in range(REPEATS))
        best = fastest(*command, by="total")
        plain = fastest(*command, "--plain", by="total")
        disk = min(rewritten(weights, disk=True) for _ in range(REPEATS))
        best_disk = fastest(*command, "--disk", by="total")
    ratio, ratio_disk = best["total"] / warm, best_disk["total"] / disk
    text = (
        f"{given.cfg.name}: {size:.0f} MB of weights. From disk to disk: the file read and "
        f"written in {disk:.2f} s, all of this in {best_disk['total']:.2f} s = {ratio_disk:.1f} "
        f"times that (goal: 3). From page cache to page cache: {warm:.3f} s and "
        f"{best['total']:.2f} s = {ratio:.1f} times. Peak resident memory "
        f"{best['steps'][-1][2] / size:.2f} times the file (goal: 2.5). The plugin alone, load and "
        f"write of all weights from page cache: {plain['total'] / warm:.1f} times, peak "
        f"{plain['steps'][-1][2] / size:.2f} times. The table is of the run in the page cache. "
        "benchmarks/darknet_scale.py."
    )
    steps = [(step, f"{seconds:.2f}", f"{peak:.0f}") for step, seconds, peak in best["steps"]]
    write_section(f"{given.cfg.stem} at full size", ("step", "seconds", "peak MB"), steps, text)
    groups = [tuple(str(cell) for cell in row) for row in best["groups"]]
    header = ("group", "channels", "kept", "read by")
    write_section(f"Groups of {given.cfg.stem}", header, groups)


def rewritten(weights: Path, *, disk: bool = False) -> float:
    """Seconds to read the file into memory and to write it."""
    if disk:
        forget(weights)
    begun = time.perf_counter()
    copy = weights.with_suffix(".copy")
    np.fromfile(weights, np.float32).tofile(copy)
    if disk:
        settle(copy)
    return time.perf_counter() - begun


def forget(path: Path) -> None:
    """Drop the file from the page cache."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def settle(path: Path) -> None:
    """Wait until the file is on the disk."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def measure(cfg: Path, weights: Path, *, plain: bool, disk: bool) -> None:
    """The child process: prints JSON. ``plain`` loads and writes, nothing else."""
    from plans import kept

    import prunus
    from prunus.plugin import Compact, Destination, compact_graph, find_groups
    from prunus_darknet.write import write

    if disk:
        forget(weights)
    steps: list[tuple[str, float, float]] = [("imports", 0.0, peak_memory() / 1e6)]
    begun = last = time.perf_counter()

    def done(step: str) -> None:
        nonlocal last
        now = time.perf_counter()
        steps.append((step, now - last, peak_memory() / 1e6))
        last = now

    network = prunus.load(cfg, weights)
    done("load")
    if plain:
        with tempfile.TemporaryDirectory() as name:
            write(network, Compact(network.model, {}), Destination(Path(name), "masked"))
        done("write")
        print(json.dumps({"steps": steps, "total": last - begun}))
        return
    grouping = find_groups(network)
    done("groups")
    keep = kept(prunus.plan(network, rate=0.5))
    done("scores and plan")
    smaller = compact_graph(network, grouping, keep)
    done("compact")
    with tempfile.TemporaryDirectory() as name:
        written = write(network, smaller, Destination(Path(name), "compact"))
        if disk:
            settle(written.weights)
    done("write")
    rows = [
        (
            group.name,
            group.size,
            int(keep[group.name].sum()) if group.name in keep else group.size,
            ", ".join(
                dict.fromkeys(
                    m.initializer.split("/")[0] for m in group.members if m.role == "input"
                )
            ),
        )
        for group in grouping.groups
    ]
    print(json.dumps({"steps": steps, "total": last - begun, "groups": rows}))


if __name__ == "__main__":
    main()
