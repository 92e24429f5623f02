"""What the demos share: running a command before one's eyes, and the closing table."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

Rows = dict[str, dict[str, Any]]
"""Name of a state -> its stage in a command's JSON result."""


def prunus(work: Path, *arguments: str) -> dict[str, Any]:
    """Run one command in a directory, show it, give its JSON result."""
    print("$ prunus", *arguments, flush=True)
    command = [sys.executable, "-m", "prunus", *arguments, "--json"]
    done = subprocess.run(command, cwd=work, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit(done.returncode)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def show(title: str, metric: str, rows: Mapping[str, Mapping[str, Any]]) -> None:
    """One table, and what the first and the last row come to."""
    table = Table(box=None, pad_edge=False, title=title, title_justify="left")
    table.add_column("network")
    for column in (metric, "params", "MACs", "bytes on disk", "latency"):
        table.add_column(column, justify="right")
    for name, row in rows.items():
        size, time = row["bytes"], row["milliseconds"]
        table.add_row(
            name,
            f"{row['metric']['value']:.2%}",
            f"{row['params']:,}",
            f"{row['macs']:,}",
            f"{size:,}" if size else "",
            f"{time:.3f} ms" if time else "",
        )
    Console(width=100, highlight=False).print(table)
    first, *_, last = rows.values()
    print(
        f"MACs -{1 - last['macs'] / first['macs']:.1%}, "
        f"bytes -{1 - last['bytes'] / first['bytes']:.1%}, "
        f"{metric} {100 * (last['metric']['value'] - first['metric']['value']):+.1f} points"
    )


def show_report(work: Path, workspace: str = "ws") -> None:
    """Write the report of a workspace; the last lines of a demo."""
    written = prunus(work, "report", "--workspace", workspace)
    print(f"report: {work / written['files'][0]}")
    print(
        "next: open it in a browser, then prune a network of your own: "
        "prunus prune --model FILE --workspace ws --rate 0.5 --report"
    )
