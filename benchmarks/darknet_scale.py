"""What does YOLOv3 at full size (237 MB of weights) cost to prune without evaluation?

Baseline: reading the weights file and writing a copy of it, in blocks of 1 MB.
Measured, each in a process of its own: load, groups, scores and plan (rate 0.5,
allocation uniform), mask, compact, write; wall time and peak resident memory, which
counts the mapped pages of the weights file too. At the end the table of groups.

Usage: python benchmarks/darknet_scale.py [--cfg yolov3.cfg]
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from results import write_section

from prunus_darknet.cfg import read_cfg
from prunus_darknet.testing.random_weights import write_random_weights
from prunus_darknet.testing.real_darknet import CFG_FOLDER

REPEATS = 3


def main() -> None:
    """Generate weights, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cfg", type=Path, default=CFG_FOLDER / "yolov3.cfg")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--plain", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure is not None:
        measure(given.cfg, given.measure, plain=given.plain)
        return
    with tempfile.TemporaryDirectory() as name:
        weights = Path(name, "random.weights")
        write_random_weights(read_cfg(given.cfg), weights, 0)
        size = weights.stat().st_size / 1e6
        baseline = min(copied(weights) for _ in range(REPEATS))
        command = [sys.executable, __file__, "--cfg", str(given.cfg), "--measure", str(weights)]
        best, plain = fastest(command), fastest([*command, "--plain"])
    ratio, peak = best["total"] / baseline, best["steps"][-1][2] / size
    text = (
        f"{given.cfg.name}: {size:.0f} MB of weights, read and written in {baseline:.2f} s. "
        f"Total {best['total']:.2f} s = {ratio:.1f} times that (goal: 3); peak resident memory "
        f"{peak:.2f} times the file (goal: 2.5). The plugin alone, load and write of all weights: "
        f"{plain['total']:.2f} s = {plain['total'] / baseline:.1f} times, peak "
        f"{plain['steps'][-1][2] / size:.2f} times. benchmarks/darknet_scale.py."
    )
    steps = [(step, f"{seconds:.2f}", f"{peak:.0f}") for step, seconds, peak in best["steps"]]
    write_section(f"{given.cfg.stem} at full size", ("step", "seconds", "peak MB"), steps, text)
    groups = [tuple(str(cell) for cell in row) for row in best["groups"]]
    header = ("group", "channels", "kept", "read by")
    write_section(f"Groups of {given.cfg.stem}", header, groups)


def fastest(command: list[str]) -> dict[str, Any]:
    """The fastest of some runs of a child process."""
    runs = [json.loads(subprocess.check_output(command)) for _ in range(REPEATS)]
    return min(runs, key=lambda run: run["total"])


def copied(weights: Path) -> float:
    """Seconds to read the file and to write a copy."""
    begun = time.perf_counter()
    with weights.open("rb") as source, weights.with_suffix(".copy").open("wb") as target:
        while block := source.read(1 << 20):
            target.write(block)
    return time.perf_counter() - begun


def measure(cfg: Path, weights: Path, *, plain: bool) -> None:
    """The child process: prints JSON. ``plain`` loads and writes, nothing else."""
    import prunus.grouping as grouping_package
    from prunus.compaction import compact
    from prunus.graph.macs import cost_model
    from prunus.host import start
    from prunus.masking import mask
    from prunus.network import Compact, Destination, Source
    from prunus_darknet.read import load
    from prunus_darknet.write import write

    host = start()
    steps: list[tuple[str, float, float]] = [("imports", 0.0, memory())]
    begun = last = time.perf_counter()

    def done(step: str) -> None:
        nonlocal last
        now = time.perf_counter()
        steps.append((step, now - last, memory()))
        last = now

    network = load(Source(cfg, weights))
    done("load")
    if plain:
        with tempfile.TemporaryDirectory() as name:
            write(network, Compact(network.model, {}), Destination(Path(name), "masked"))
        done("write")
        print(json.dumps({"steps": steps, "total": last - begun}))
        return
    grouping = grouping_package.find_groups(network)
    done("groups")
    cost = cost_model(network.model, grouping)
    keep = plan(host, network, grouping, cost)
    done("scores and plan")
    masked = mask(network, grouping, keep)
    done("mask")
    smaller = compact(masked, grouping, keep)
    done("compact")
    with tempfile.TemporaryDirectory() as name:
        write(masked, smaller, Destination(Path(name), "compact"))
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


def plan(host, network, grouping, cost):
    """Rate 0.5, the same ratio everywhere, channels by L1 norm."""
    import numpy as np

    from prunus.descriptors import Criterion, Policy
    from prunus.planning.budget import Budget, Planning

    scores = {
        group.name: host.call(
            Criterion, "l1", "prunus_rank", network=network, group=group, samples=None, seed=0
        )
        for group in grouping.groups
    }
    present = {group.name: np.ones(group.size, bool) for group in grouping.groups}
    planning = Planning(grouping.groups, scores, present, cost, None)
    return host.call(Policy, "uniform", "prunus_mask", planning=planning, budget=Budget(rate=0.5))


def memory() -> float:
    """Peak resident memory of this process in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


if __name__ == "__main__":
    main()
