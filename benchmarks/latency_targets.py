"""Time saved over multiply-accumulates saved, by how much time is asked for.

    python benchmarks/latency_targets.py [--engines onnxruntime,openvino,ncnn] [name ...]

`engines.py` asks for half of the time. Where that is near to what no plan saves (`least_times.py`),
nearly all channels go for it; with a target that leaves room, the slow groups alone can give what
is asked for. Timed as in `engines.py`; rows of other networks and engines stay as they are.
"""

from __future__ import annotations

import argparse

from engines import chosen, saved
from results import write_rows

TARGETS = (0.1, 0.2, 0.3, 0.4)
"""Shares of the time that are to go."""

TITLE = "Time saved over MACs saved, by the time that is to go (latency_targets.py)"
HEADER = (
    "network", "engine", "time to go", "MACs saved", "time saved", "ratio",
    "processor time saved", "ratio",
)  # fmt: skip
TEXT = "Like the table of `engines.py`, with other targets than 0.5."


def main() -> None:
    """The table."""
    for _, name, engine, network in chosen(argparse.ArgumentParser(description=__doc__)):
        for target in TARGETS:
            found = saved(network, engine, {"latency": target})
            row = (name, engine, f"{target:g}", *found.cells)
            print(*row, sep=" | ", flush=True)
            write_rows(TITLE, HEADER, [row], 3, TEXT)


if __name__ == "__main__":
    main()
