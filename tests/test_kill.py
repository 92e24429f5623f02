"""A kill at a random moment: the resumed result equals the uninterrupted one."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys

import numpy as np
import pytest

from prunus.testing.command_line import killed


def finish(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "prunus", *arguments], check=True)


@pytest.mark.parametrize("seed", [0, 1])
def test_analysis(files, seed):
    draw = np.random.default_rng(5)
    np.savez("many.npz", x=draw.standard_normal((6000, 1, 12, 12)).astype(np.float32))
    common = ("ana", "--model", "net.onnx", "--data", "many.npz")
    finish(*common, "--workspace", "whole")
    journal = files / "killed/ana.partial.jsonl"
    delay = random.Random(seed).uniform(0.0, 0.4)
    killed(*common, "--workspace", "killed", when=journal.exists, delay=delay)
    finish(*common, "--workspace", "killed")
    whole = json.loads((files / "whole/ana.json").read_text())
    assert json.loads((files / "killed/ana.json").read_text()) == whole
    assert not journal.exists()


@pytest.mark.parametrize("seed", [0, 1])
def test_finetune(files, seed):
    pytest.importorskip("torch")
    (files / "prunus.toml").write_text('model = "net.onnx"\ntrainer = "torch"\n')
    finish("prune", "--model", "net.onnx", "--workspace", "whole", "--rate", "0.4")
    shutil.copytree("whole", "killed")
    state = (files / "killed/state.json").read_text().replace("/whole/", "/killed/")
    (files / "killed/state.json").write_text(state)
    common = ("finetune", "--train-data", "train.npz", "--iterations", "400", "--snapshot", "25")
    finish(*common, "--workspace", "whole")
    snapshots = files / "killed/rate_0.4/snapshots"
    delay = random.Random(seed).uniform(0.0, 0.3)
    killed(*common, "--workspace", "killed", when=lambda: any(snapshots.glob("*.npz")), delay=delay)
    finish(*common, "--workspace", "killed", "--resume")
    results = [
        (files / name / "rate_0.4/snapshots/_iter_400/net.onnx").read_bytes()
        for name in ("whole", "killed")
    ]
    assert results[0] == results[1]
