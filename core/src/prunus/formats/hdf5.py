"""Whether an HDF5 file can be read to its end, asked before it is opened here.

libhdf5 comes to no end in some damaged files (a heap or a chunk index that points back to itself)
and crashes in others. Nothing inside the process can stop it. So a child process reads everything
first, with a limit of processor time; the cost is one start of Python and h5py, about a quarter of
a second, and one more reading of the file. It follows no link to another file, and refuses data
sets that keep their numbers in other files.
"""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache
from pathlib import Path

from prunus.errors import DataError, PrunusError

_PATIENCE = 25
"""Seconds by the clock, beside the child's own limit of processor time."""

_CHILD = "prunus.formats.hdf5_visit"


def check_hdf5(path: Path, error: type[PrunusError] = DataError) -> None:
    """Refuse an HDF5 file that libhdf5 cannot read, or does not come to an end with.

    h5py must be installed. A file that did not change since it was asked is not read again.

    Args:
        path: The file.
        error: Class of the error: `ModelError` for weights.

    Raises:
        PrunusError: the file is missing, damaged, or names other files; as ``error``.
    """
    try:
        found = os.stat(path)
    except OSError as reason:
        raise error(f"{path}: cannot be read ({reason.strerror})") from reason
    what = _fault(str(path.absolute()), found.st_ino, found.st_size, found.st_mtime_ns)
    if what:
        raise error(f"{path}: not a readable HDF5 file ({what})")


@cache
def _fault(path: str, inode: int, size: int, changed: int) -> str:
    """What is wrong with a file, or nothing; the numbers tell one state of it from another."""
    threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-m", _CHILD, path],
            capture_output=True,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
            env={**os.environ, **threads},
            timeout=_PATIENCE + size // 5_000_000,
        )
    except subprocess.TimeoutExpired:
        return "damaged: reading it comes to no end"
    if done.returncode == 0:
        return ""
    if done.returncode == 1 and done.stdout.strip():
        return done.stdout.strip().splitlines()[-1]
    if done.returncode < 0:
        stopped = -done.returncode in (9, 24)  # SIGKILL, SIGXCPU: its time was over
        return f"damaged: reading it {'comes to no end' if stopped else 'crashes libhdf5'}"
    last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
    return f"it could not be checked: {last[:150]}"
