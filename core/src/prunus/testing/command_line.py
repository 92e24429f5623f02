"""The command line refused, out of disk and killed: one line, an exit code, nothing lost.

Made for a plugin's tests of bad input, which run in a directory of their own::

    def test_cut_weights(tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        Path("net.mynet").write_bytes(WHOLE[:100])
        assert refused("stat", "--model", "net.mynet") == (
            3,
            "error: net.mynet: ends inside layer 'conv1'; copy it again",
        )

Paths are relative to the working directory, so that messages are the same everywhere.
"""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

from prunus.cli import run

_LIMITED = (
    "import resource, runpy, sys\n"
    "limit = int(sys.argv.pop(1))\n"
    "resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))\n"
    "runpy.run_module('prunus', run_name='__main__')\n"
)


def contents(folder: Path = Path()) -> dict[Path, bytes]:
    """Every file below a folder (the working directory) with its bytes.

    Python's cache of compiled modules is left out: Python writes it when it imports a metric.
    """
    found = (path for path in sorted(folder.rglob("*")) if "__pycache__" not in path.parts)
    return {path: path.read_bytes() for path in found if path.is_file()}


def refused(*arguments: str) -> tuple[int, str]:
    """Run a command that must fail: its exit code and the one line it says, notes aside.

    Raises:
        AssertionError: it succeeded, said anything else, or changed a file of the
            working directory.
    """
    before = contents()
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = run(list(arguments))
    assert out.getvalue() == "", f"it fails, but prints on stdout: {out.getvalue()}"
    return _failure(code, err.getvalue(), before)


def refused_on_full_disk(*arguments: str, room: int) -> tuple[int, str]:
    """As `refused`, in a process that cannot make a file larger than ``room`` bytes (POSIX)."""
    before = contents()
    done = subprocess.run(
        [sys.executable, "-c", _LIMITED, str(room), *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        # half a .pyc file would stay behind where the limit cuts it
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    return _failure(done.returncode, done.stderr, before)


def killed(*arguments: str, when: Callable[[], bool], delay: float = 0.0) -> bool:
    """Run a command in a process and kill it, as a power cut would.

    Args:
        arguments: The command line.
        when: Asked until it holds or the command has ended.
        delay: Seconds from then to the kill.

    Returns:
        Whether the command was still running.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "prunus", *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while process.poll() is None and not when():
        time.sleep(0.001)
    time.sleep(delay)
    process.kill()
    return process.wait() == -signal.SIGKILL


def _failure(code: int, said: str, before: dict[Path, bytes]) -> tuple[int, str]:
    assert code != 0, "it succeeds"
    lines = [line for line in said.splitlines() if line and not line.startswith("note: ")]
    assert len(lines) == 1, f"the error is not one line: {said}"
    after = contents()
    changed = sorted(
        str(path) for path in before.keys() | after.keys() if before.get(path) != after.get(path)
    )
    assert not changed, f"it fails, but changes {', '.join(changed)}"
    return code, lines[0]
