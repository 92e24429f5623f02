"""Other systems lack some of Linux' modules and functions: the steps do without them.

They are taken away in a process of its own. Files of the kernel are hidden too.
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

WITHOUT = """
import asyncio, os, signal, sys  # Python's own asyncio is made for its system and loaded before
from pathlib import Path

for name in ("fcntl", "resource", "pwd", "grp", "termios", "pty"):
    sys.modules[name] = None
for name in ("sched_getaffinity", "sysconf", "openpty", "login_tty", "mkfifo", "getuid", "geteuid"):
    delattr(os, name)
for name in ("SIGHUP", "SIGKILL", "SIGUSR1", "SIGALRM"):
    delattr(signal, name)
read, there = Path.read_text, Path.exists


def read_text(self, *args, **kwargs):
    if str(self).startswith(("/proc", "/sys")):
        raise FileNotFoundError(str(self))
    return read(self, *args, **kwargs)


Path.read_text = read_text
from prunus.cli import run
for line in sys.argv[1:]:
    if run(line.split()):
        sys.exit(line)
"""


def test_the_steps_need_no_linux(files):
    pytest.importorskip("prunus_torch")
    network = "--model net.onnx --data test.npz --workspace ws"
    lines = (
        f"ana {network} --samples 16",
        f"prune {network} --rate 0.3 --best-effort",
        f"finetune {network} --train-data train.npz --iterations 2",
        f"transform {network} --output small",
    )
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, *lines], capture_output=True, text=True, check=False,
        env={**os.environ, "PRUNUS_PLUGINS": "torch"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (files / "small").exists()
