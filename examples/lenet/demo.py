"""The four steps on a trained Caffe LeNet, as a user would type them: `make demo`.

Works in ``build/demo-lenet``. Real Caffe is not needed; where PRUNUS_CAFFE_PYTHON names an
interpreter that has it, the transformed files are run there as well.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import digits
from shown import Rows, prunus, show, show_report

HERE = Path(__file__).resolve().parent
WORK = Path("build/demo-lenet")
RATES = (0.5, 0.75)
"""Share of MACs removed after each round; the last one decides the size."""


def prepare() -> None:
    """Example files and the digits, as Caffe users have them."""
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir(parents=True)
    for name in ("train_val.prototxt", "solver.prototxt", "lenet.caffemodel"):
        shutil.copy(HERE / name, WORK / name)
    digits.main(WORK)


def rounds() -> Rows:
    """Analyse once, prune and finetune twice, transform; the stage rows for the table."""
    where = ("--workspace", "ws")
    model = ("--model", "train_val.prototxt")
    prunus(WORK, "ana", *model, "--weights", "lenet.caffemodel", *where)
    rows: Rows = {}
    weights = "lenet.caffemodel"
    for rate in RATES:
        pruned = prunus(WORK, "prune", *model, "--weights", weights, *where, "--rate", str(rate))
        rows.setdefault("original", pruned["stages"][0])
        rows["pruned"] = pruned["stages"][-1]
        tuned = prunus(WORK, "finetune", *where, "--solver", "solver.prototxt", "--epochs", "6")
        rows["finetuned"] = tuned["stages"][-1]
        weights = tuned["files"][-1]
    final = prunus(WORK, "transform", "--workspace", "ws", "--output", "transformed")
    rows["original"]["bytes"] = (WORK / "lenet.caffemodel").stat().st_size
    rows["original"]["milliseconds"] = final["stages"][1]["milliseconds"]
    rows["transformed"] = final["stages"][-1]
    return rows


def in_caffe() -> None:
    """Run masked and transformed files in real Caffe and compare."""
    python = os.environ.get("PRUNUS_CAFFE_PYTHON")
    if not python:
        print("real Caffe: not checked (PRUNUS_CAFFE_PYTHON names no interpreter)")
        return
    state = json.loads((WORK / "ws/state.json").read_text())
    masked = str(Path("ws") / state["finetuned"]["weights"])  # relative to the workspace
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
    show("LeNet, 1,000 held-out digits", "accuracy", rows)
    in_caffe()
    show_report(WORK)


if __name__ == "__main__":
    main()
