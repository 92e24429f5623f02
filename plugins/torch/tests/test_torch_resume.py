"""A training killed at any moment and resumed ends with the same bits as one left alone."""

from __future__ import annotations

import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from prunus_torch.testing import train_job as jobs
from prunus_torch.testing.graphs import Array
from prunus_torch.train import train


def run(workspace: Path, *options: str) -> subprocess.Popen[str]:
    workspace.mkdir(exist_ok=True)
    command = [sys.executable, "-m", jobs.__name__, str(workspace), str(workspace / "result.npz")]
    pipe = subprocess.PIPE
    return subprocess.Popen([*command, *options], stdin=pipe, stdout=pipe, stderr=pipe, text=True)


def until(process: subprocess.Popen[str], iteration: int) -> None:
    """Wait for the report of an iteration."""
    assert process.stdout is not None
    for line in process.stdout:
        if int(line) >= iteration:
            return


def same(found: Mapping[str, Array], wanted: Mapping[str, Array]) -> bool:
    return set(found) == set(wanted) and all(np.array_equal(found[n], wanted[n]) for n in wanted)


@pytest.mark.parametrize("distill", [False, True])
def test_sigkill_at_random_moments(tmp_path: Path, distill: bool) -> None:
    options = ["--distill"] if distill else []
    (tmp_path / "whole").mkdir()
    wanted = train(jobs.job(tmp_path / "whole", distill=distill))
    draw = random.Random(distill)
    resume: list[str] = []
    for round_ in range(3):
        process = run(tmp_path / "killed", "--hold", "--pause", "0.05", *options, *resume)
        until(process, round_ * 6 + draw.randint(1, 6))
        time.sleep(draw.random() * 0.1)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        resume = ["--resume"]
    last = run(tmp_path / "killed", *options, *resume)
    out, err = last.communicate()
    assert last.returncode == 0, err
    assert 1 < int(out.splitlines()[0]) <= jobs.ITERATIONS, "nothing was resumed"
    assert same(dict(np.load(tmp_path / "killed" / "result.npz")), wanted)


def test_ctrl_c_saves_between_intervals(tmp_path: Path) -> None:
    (tmp_path / "whole").mkdir()
    wanted = train(jobs.job(tmp_path / "whole"))
    process = run(tmp_path / "stopped", "--hold", "--pause", "0.05")
    until(process, 7)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate()
    assert process.returncode != 0
    said = re.search(r"stopped after (\d+) iterations; --resume continues", err)
    assert said, err
    stopped = int(said.group(1))
    assert 7 <= stopped < jobs.ITERATIONS
    assert (tmp_path / "stopped" / f"torch_{stopped:08d}.npz").exists()
    found = train(jobs.job(tmp_path / "stopped", resume=True))
    assert same(found, wanted)


@pytest.mark.parametrize("solver", ["SGD", "Nesterov", "AdaGrad", "RMSProp", "AdaDelta", "darknet"])
def test_every_solver_resumes_from_its_history(tmp_path: Path, solver: str) -> None:
    wanted = train(jobs.job(tmp_path, solver=solver))
    (tmp_path / f"torch_{jobs.ITERATIONS:08d}.npz").unlink()
    found = train(jobs.job(tmp_path, solver=solver, resume=True))
    assert same(found, wanted)


def test_resume_without_a_snapshot_starts(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    assert same(train(jobs.job(tmp_path / "a", resume=True)), train(jobs.job(tmp_path / "b")))


def test_a_finished_training_resumes_to_itself(tmp_path: Path) -> None:
    wanted = train(jobs.job(tmp_path))
    assert same(train(jobs.job(tmp_path, resume=True)), wanted)
