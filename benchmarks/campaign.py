"""Damage every file that a user or an attacker can hand in, and count what prunus makes of it.

Each try damages one file from a seed, runs the steps that read it in a worker process with a
limit on time and memory, and gives one outcome: refused clearly (one line, at most 300 characters,
with the file's name), accepted, or a fault: internal (a defect, exit code 70 or a traceback), hang,
crash, memory (found out late), unclear (another message), unloadable (the framework does not load
what was written), escaped (a file was written outside the working directory).

Usage: python benchmarks/campaign.py [--kinds onnx,cfg] [--tries 700] [--first 0] [--jobs 1]
                                     [--log tries.jsonl] [--results]

A log that exists is gone on with: seeds that it holds are not tried again, and the table is of all
it holds.
"""

from __future__ import annotations

import argparse
import json
import os
import select
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
SECONDS = 30
"""Of one try."""
PREPARING = 240
"""Seconds for the first answer of a worker: it makes the sound files and imports all."""
MEMORY = 3 << 30
"""Bytes of one try beyond what sound files need."""
OUTCOMES = (
    "refused", "accepted", "internal", "hang", "crash", "memory", "unclear", "unloadable", "escaped"
)  # fmt: skip
SOUND = ("refused", "accepted")


TEXT = (
    "Tries of `benchmarks/campaign.py`: one file damaged from a seed, then the steps that read it "
    "(stat, export, ana, prune, finetune, transform, eval, as fits). Refused: one line of at most "
    "300 characters, with the file's name. Goes on with the same command, a higher `--tries` and "
    "the same `--log`."
)


class Worker:
    """A process that is started again after a hang or a crash."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.process: subprocess.Popen[str] | None = None
        self.prepared: set[str] = set()

    def ask(self, kind: str, seed: int) -> dict[str, Any]:
        """The outcome of one try."""
        if self.process is None:
            self.process = _started(self.folder)
            self.prepared = set()
        if kind not in self.prepared:
            if self._answer(kind, -1, PREPARING) is None:
                self.close()
                raise RuntimeError(f"{kind}: the worker cannot prepare its files; run it by hand")
            self.prepared.add(kind)
        began = time.monotonic()
        found = self._answer(kind, seed, SECONDS)
        if found is not None:
            return found
        outcome = "hang" if time.monotonic() - began >= SECONDS else "crash"
        self.close()
        return {"kind": kind, "seed": seed, "outcome": outcome, "said": "no answer"}

    def _answer(self, kind: str, seed: int, limit: float) -> dict[str, Any] | None:
        """What the worker says of a try; nothing where it dies or takes too long."""
        process = self.process
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(f"{kind} {seed}\n")
        process.stdin.flush()
        ready = select.select([process.stdout], [], [], limit)[0]
        line = process.stdout.readline() if ready else ""
        found: dict[str, Any] | None = json.loads(line) if line else None
        return found

    def close(self) -> None:
        """End the process."""
        if self.process is not None:
            self.process.kill()
            self.process.communicate()
            self.process = None


def _started(folder: Path) -> subprocess.Popen[str]:
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", str(HERE / "campaign_child.py"), str(folder), str(MEMORY)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=None if os.environ.get("CAMPAIGN_SHOW") else subprocess.DEVNULL,
        text=True,
        env={**os.environ, **quiet},
    )


def tries(kind: str, seeds: Sequence[int], folder: Path) -> Iterator[dict[str, Any]]:
    """Outcomes of one kind of file."""
    worker = Worker(folder)
    try:
        for seed in seeds:
            yield worker.ask(kind, seed)
    finally:
        worker.close()


def main() -> None:
    """Run, print faults as they come, then the table."""
    sys.path.insert(0, str(HERE))
    from campaign_subjects import SUBJECTS

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kinds", default=",".join(SUBJECTS), help="kinds of files")
    parser.add_argument("--tries", type=int, default=700, help="tries of each kind")
    parser.add_argument("--first", type=int, default=0, help="first seed")
    parser.add_argument("--jobs", type=int, default=1, help="workers at a time")
    parser.add_argument("--log", type=Path, help="file of all tries, as JSON lines")
    parser.add_argument("--results", action="store_true", help="write the table to RESULTS.md")
    given = parser.parse_args()
    kinds = given.kinds.split(",")
    counts: dict[str, Counter[str]] = {kind: Counter() for kind in kinds}
    done = set()
    if given.log and given.log.exists():
        for found in map(json.loads, given.log.read_text().splitlines()):
            counts.setdefault(found["kind"], Counter())[found["outcome"]] += 1
            done.add((found["kind"], found["seed"]))
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(given.jobs) as pool:

        def count(kind: str) -> None:
            seeds = range(given.first, given.first + given.tries)
            left = [seed for seed in seeds if (kind, seed) not in done]
            for found in tries(kind, left, Path(folder)):
                counts[kind][found["outcome"]] += 1
                line = json.dumps(found)
                if found["outcome"] not in SOUND:
                    print(line, flush=True)
                if given.log:
                    with given.log.open("a") as file:
                        file.write(line + "\n")
            print(f"{kind}: {dict(counts[kind])}", flush=True)

        for one in [pool.submit(count, kind) for kind in kinds]:
            if one.exception() is not None:
                print(f"error: {one.exception()}", flush=True)
    _show(counts, given.results)


def _show(counts: dict[str, Counter[str]], results: bool) -> None:
    header = ["kind of file", "tries", *OUTCOMES]
    total: Counter[str] = sum(counts.values(), Counter())
    rows = [
        [kind, f"{sum(found.values()):,}", *(f"{found[one]:,}" for one in OUTCOMES)]
        for kind, found in [*counts.items(), ("all", total)]
    ]
    for row in [header, *rows]:
        print(" | ".join(row))
    if results:
        from results import write_section

        write_section("Damaged and hostile files", header, rows, TEXT)


if __name__ == "__main__":
    main()
