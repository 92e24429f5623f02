"""The four steps on a trained Caffe LeNet, as a user would type them: `make demo`.

Works in ``build/demo-lenet``. Real Caffe is not needed; where PRUNUS_CAFFE_PYTHON names an
interpreter that has it, the transformed files are run there as well.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import digits
from rich.console import Console
from rich.table import Table

HERE = Path(__file__).resolve().parent
WORK = Path("build/demo-lenet")
RATES = (0.5, 0.75)
"""Share of MACs removed after each round; the last one decides the size."""


def prunus(*arguments: str) -> dict[str, Any]:
    """Run one command in the work directory, show it, give its JSON result."""
    print("$ prunus", *arguments, flush=True)
    command = [sys.executable, "-m", "prunus", *arguments, "--json"]
    done = subprocess.run(command, cwd=WORK, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit(done.returncode)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def prepare() -> None:
    """Example files and the digits, as Caffe users have them."""
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir(parents=True)
    for name in ("train_val.prototxt", "solver.prototxt", "lenet.caffemodel"):
        shutil.copy(HERE / name, WORK / name)
    digits.main(WORK)


def rounds() -> dict[str, dict[str, Any]]:
    """Analyse once, prune and finetune twice, transform; the stage rows for the table."""
    where = ("--workspace", "ws")
    model = ("--model", "train_val.prototxt")
    prunus("ana", *model, "--weights", "lenet.caffemodel", *where)
    rows: dict[str, dict[str, Any]] = {}
    weights = "lenet.caffemodel"
    for rate in RATES:
        pruned = prunus("prune", *model, "--weights", weights, *where, "--rate", str(rate))
        rows.setdefault("original", pruned["stages"][0])
        rows["pruned"] = pruned["stages"][-1]
        tuned = prunus("finetune", *where, "--solver", "solver.prototxt", "--epochs", "6")
        rows["finetuned"] = tuned["stages"][-1]
        weights = tuned["files"][-1]
    final = prunus("transform", "--workspace", "ws", "--output", "transformed")
    rows["original"]["bytes"] = (WORK / "lenet.caffemodel").stat().st_size
    rows["original"]["milliseconds"] = final["stages"][0]["milliseconds"]
    rows["transformed"] = final["stages"][-1]
    return rows


def show(rows: dict[str, dict[str, Any]]) -> None:
    """One table."""
    table = Table(
        box=None, pad_edge=False, title="LeNet, 1,000 held-out digits", title_justify="left"
    )
    table.add_column("network")
    for column in ("accuracy", "params", "MACs", "bytes on disk", "latency"):
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
    first, last = rows["original"], rows["transformed"]
    Console(width=100, highlight=False).print(table)
    print(
        f"MACs -{1 - last['macs'] / first['macs']:.1%}, bytes -{1 - last['bytes'] / first['bytes']:.1%}, "
        f"accuracy {100 * (last['metric']['value'] - first['metric']['value']):+.1f} points"
    )


def in_caffe() -> None:
    """Run masked and transformed files in real Caffe and compare."""
    python = os.environ.get("PRUNUS_CAFFE_PYTHON")
    if not python:
        print("real Caffe: not checked (PRUNUS_CAFFE_PYTHON names no interpreter)")
        return
    state = json.loads((WORK / "ws/state.json").read_text())
    masked = state["finetuned"]["weights"]
    pairs = [
        "train_val.prototxt",
        masked,
        "transformed/final.prototxt",
        "transformed/transformed.caffemodel",
    ]
    subprocess.run([python, str(HERE / "compare_in_caffe.py"), *pairs], cwd=WORK, check=True)


def main() -> None:
    """Everything in order."""
    prepare()
    rows = rounds()
    show(rows)
    in_caffe()


if __name__ == "__main__":
    main()
