"""A file is read to its end in a child process before it is opened in this one.

Libraries in C come to no end in some damaged files and crash in others, and nothing inside the
process can stop them. So a child reads everything first, with a limit of processor time. The cost
is one start of Python and of the library, and one more reading of the file.

The child is a module of its own that ends with ``sys.exit(answer_as_child(sys.argv[1], read))``.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

_PATIENCE = 25
"""Seconds by the clock, beside the child's own limit of processor time."""

_START = 3
"""Seconds of processor time every file may take; one more for every 20 MB."""


def damage_of(path: Path, module: str, library: str) -> str:
    """Damage that a child process finds in a file, or nothing.

    A file that did not change since it was asked is not read again.

    Args:
        path: The file.
        module: Module that reads it, as ``python -m`` takes it.
        library: Name of the library that may crash, for the message.

    Raises:
        OSError: there is no such file.
    """
    found = os.stat(path)
    state = (found.st_ino, found.st_size, found.st_mtime_ns)
    return _asked(str(path.absolute()), module, library, state)


@cache
def _asked(path: str, module: str, library: str, state: tuple[int, int, int]) -> str:
    """The state tells the same file before and after a change apart: inode, size, time."""
    threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-m", module, path],
            capture_output=True,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
            env={**os.environ, **threads},
            timeout=_PATIENCE + state[1] // 5_000_000,
        )
    except subprocess.TimeoutExpired:
        return "damaged: reading it comes to no end"
    if done.returncode == 0:
        return ""
    if done.returncode == 1 and done.stdout.strip():
        return done.stdout.strip().splitlines()[-1]
    if done.returncode < 0:
        stopped = -done.returncode in (9, 24)  # SIGKILL, SIGXCPU: its time was over
        return f"damaged: reading it {'comes to no end' if stopped else f'crashes {library}'}"
    last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
    return f"it could not be checked: {last[:150]}"


def answer_as_child(path: str, read: Callable[[str], None]) -> int:
    """In the child: read a file to its end, within the time it may take.

    Args:
        path: The file.
        read: Reads everything; raises where something cannot be read.

    Returns:
        Exit code: 0 where everything can be read, else 1 and one line on stdout.
    """
    _limit(_START + os.path.getsize(path) // 20_000_000)
    try:
        read(path)
    except ImportError:  # a library is missing: nothing is said about the file
        raise
    except Exception as error:  # noqa: BLE001  damage shows as OSError, KeyError and others
        sys.stdout.write(" ".join(str(error).split())[:150] or type(error).__name__)
        return 1
    return 0


def _limit(seconds: int) -> None:
    """Processor time, which does not depend on what else the machine does; no core file."""
    try:
        import resource
    except ImportError:  # Windows: the parent's clock alone stops it
        return
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
