"""An analysis on a Dask cluster gives the numbers of one process, also after a worker was lost."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import attrs
import pytest

from prunus.plugin import Settings, spread

FILES = Path(__file__).parents[1] / "core/src/prunus/cli/demo_files"
SLOW = """
import time
import numpy as np

IMAGES = np.random.default_rng(0).random((8, 1, 8, 8), np.float32)

def largest(predict):
    time.sleep(0.05)
    with open("calls.txt", "a") as file:
        file.write("+")
    return float(predict(IMAGES).max())
"""
RATIOS = (0.2, 0.4, 0.6, 0.8)


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Two workers that can import the metric."""
    distributed = pytest.importorskip("distributed", reason="dask.distributed is not installed")
    (tmp_path / "slow.py").write_text(SLOW)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as both,
        distributed.Client(both) as client,
    ):
        yield client


def kill_when_begun(pid: int, workspace: Path, seen: list[int]) -> None:
    """Kill a worker when two pieces of some part are measured, and not all of it."""
    while not seen:
        time.sleep(0.01)
        found = [text.count("\n") for text in map(Path.read_text, workspace.glob("*.jsonl"))]
        if max(found, default=0) > 2:
            os.kill(pid, signal.SIGKILL)
            seen.extend(found)


def curves(workspace: Path) -> dict[str, Any]:
    """Group -> its curve, of all parts."""
    parts = (json.loads(path.read_text()) for path in workspace.glob("ana.part-*.json"))
    return {curve["group"]: curve for part in parts for curve in part["curves"]}


def measurements() -> int:
    """How often the metric was asked for since the last time."""
    calls = Path("calls.txt")
    count = len(calls.read_text())
    calls.unlink()
    return count


@pytest.mark.dask
def test_a_lost_worker_loses_nothing(client: Any, tmp_path: Path) -> None:
    settings = Settings(
        model=FILES / "digits.onnx", data=str(FILES / "test.npz"), metric="slow:largest"
    )
    whole, lost = (attrs.evolve(settings, workspace=tmp_path / name) for name in ("whole", "lost"))
    spread(client.get_executor(), whole, 2, RATIOS)
    undisturbed = measurements()
    (pid, *_), seen = client.run(os.getpid).values(), list[int]()
    thread = Thread(target=kill_when_begun, args=(pid, tmp_path / "lost", seen), daemon=True)
    thread.start()
    spread(client.get_executor(), lost, 2, RATIOS)
    assert pid not in client.run(os.getpid).values()
    assert 2 < max(seen) <= 2 * len(RATIOS), "it was killed in the middle"
    assert curves(tmp_path / "lost") == curves(tmp_path / "whole")
    assert len(curves(tmp_path / "lost")) == 3
    assert measurements() <= undisturbed + 1, "what the journal holds is not measured again"
