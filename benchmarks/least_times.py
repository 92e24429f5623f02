"""What no plan can save: the time that stays where every group has its fewest channels.

    python benchmarks/least_times.py [--engines onnxruntime,openvino,ncnn] [--threads 2] [name ...]

A network has costs that do not fall with its channels: starting a layer, waking threads for it and
waiting for them, layers that are protected, inputs and outputs. They are what stays of a network
whose groups come down to 2, 4 or 8 channels (fewer are not always faster; the fastest of the three
counts). Rows of other networks and engines stay in the table as they are.
"""

from __future__ import annotations

import argparse

from engines import SECONDS, chosen
from results import write_rows

import prunus
from prunus import CompactNetwork, Network

RATE = 0.9999
"""Out of reach: every group comes down to its fewest channels."""

MULTIPLES = (2, 4, 8)

TITLE = "What no plan saves, by engine (least_times.py)"
HEADER = (
    "network", "engine", "threads", "MACs that stay", "least share of time",
    "processor time there", "ratio there",
)  # fmt: skip
TEXT = (
    "Time of the network with 2, 4 or 8 channels in every group, whichever is the fastest, as a "
    "share of the whole network's, in turns. No plan saves more than what is missing to 1; where "
    "that is near to the 0.5 that was asked for, nearly all MACs go for it. Ratio there: time "
    "saved over MACs saved."
)


def fewest(network: Network, multiple: int) -> CompactNetwork:
    """The network with as few channels as a multiple allows."""
    plan = prunus.plan(network, rate=RATE, best_effort=True, multiple=multiple)
    return prunus.compact(prunus.prune(network, plan))


def row(name: str, network: Network, engine: str, threads: int) -> tuple[str, ...]:
    """One line of the table."""
    small = [fewest(network, multiple) for multiple in MULTIPLES]
    found = prunus.bench(network, *small, engines=engine, threads=threads, seconds=SECONDS)
    before, *after = (line.timing for line in found.times)
    best = min(range(len(small)), key=lambda index: after[index].share)
    stays, time = 1 - small[best].masked.plan.rate, after[best].share
    numbers = (stays, time, after[best].work / before.work, (1 - time) / (1 - stays))
    return (name, engine, str(threads), *(f"{number:.2f}" for number in numbers))


def main() -> None:
    """The table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    for given, name, engine, network in chosen(parser):
        write_rows(TITLE, HEADER, [row(name, network, engine, given.threads)], 3, TEXT)


if __name__ == "__main__":
    main()
