from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from prunus.errors import PrunusError
from prunus.settings import Settings
from prunus.steps.lock import alone, held
from prunus.storage.staging import locked

HOLD = "import sys; from pathlib import Path; from prunus.steps.lock import held\n" \
    "with held(Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"  # fmt: skip


@pytest.fixture
def other(tmp_path):
    """Another process that holds the workspace until its input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "ws")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout.readline() == b"held\n"
    yield process
    process.kill()
    process.communicate()


def test_another_process_is_kept_out_and_named(other, tmp_path):
    with pytest.raises(PrunusError) as caught, held(tmp_path / "ws"):
        pass
    who = f" ({other.pid})" if Path("/proc/locks").exists() else ""
    assert str(caught.value) == (
        f"{tmp_path}/ws: another process{who} works in this workspace; wait until it has ended, "
        "or choose another --workspace"
    )


def test_a_kill_gives_the_lock_back(other, tmp_path):
    other.kill()
    other.wait()
    with held(tmp_path / "ws"):
        pass


def test_a_workspace_made_for_nothing_is_removed(tmp_path):
    with held(tmp_path / "ws"):
        assert (tmp_path / "ws").is_dir()
    assert not (tmp_path / "ws").exists()


def test_a_step_holds_its_workspace(tmp_path):
    def step(host, settings, word):
        with pytest.raises(BlockingIOError):
            locked(settings.workspace, wait=False)
        (settings.workspace / "x").touch()
        return word

    assert alone(step)(None, Settings(workspace=tmp_path / "ws"), "word") == "word"
    os.close(locked(tmp_path / "ws", wait=False))
