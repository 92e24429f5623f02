"""A kill at a random moment: the resumed result equals the uninterrupted one."""

from __future__ import annotations

import json
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest


def start(*arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "prunus", *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def finish(*arguments: str) -> None:
    assert start(*arguments).wait() == 0


def kill_when(process: subprocess.Popen[bytes], ready: Path, delay: float) -> bool:
    """SIGKILL some time after a file appears; False if the process was faster."""
    while not ready.exists() and process.poll() is None:
        time.sleep(0.005)
    time.sleep(delay)
    process.send_signal(signal.SIGKILL)
    return process.wait() == -signal.SIGKILL


@pytest.mark.parametrize("seed", [0, 1])
def test_analysis(files, seed):
    draw = np.random.default_rng(5)
    np.savez("many.npz", x=draw.standard_normal((6000, 1, 12, 12)).astype(np.float32))
    common = ("ana", "--model", "net.onnx", "--data", "many.npz")
    finish(*common, "--workspace", "whole")
    process = start(*common, "--workspace", "killed")
    delay = random.Random(seed).uniform(0.0, 0.4)
    kill_when(process, files / "killed/ana.partial.jsonl", delay)
    finish(*common, "--workspace", "killed")
    whole = json.loads((files / "whole/ana.json").read_text())
    assert json.loads((files / "killed/ana.json").read_text()) == whole
    assert not (files / "killed/ana.partial.jsonl").exists()


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
    process = start(*common, "--workspace", "killed")
    while not list(files.glob("killed/rate_0.4/snapshots/*.npz")) and process.poll() is None:
        time.sleep(0.005)
    time.sleep(random.Random(seed).uniform(0.0, 0.3))
    process.send_signal(signal.SIGKILL)
    process.wait()
    finish(*common, "--workspace", "killed", "--resume")
    results = [
        (files / name / "rate_0.4/snapshots/_iter_400/net.onnx").read_bytes()
        for name in ("whole", "killed")
    ]
    assert results[0] == results[1]
