"""The installed Darknet library (pjreddie's fork), and calls of it in a process of their own.

Only its exported functions are called; of its structs those are laid out that they take
or give (``include/darknet.h``). It ends the process on errors: hence the processes.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from pathlib import Path

VARIABLE = "PRUNUS_DARKNET_LIBRARY"
"""Environment variable that names another one."""

LIBRARY = Path("/usr/lib/darknet/libdarknet.so")
CFG_FOLDER = Path("/usr/share/darknet/cfg")
"""Where the Debian package ``darknet`` puts them."""

FLOATS = ctypes.POINTER(ctypes.c_float)


class Image(ctypes.Structure):
    """``image``: ``data`` is (c, h, w) float32."""

    _fields_ = (
        ("w", ctypes.c_int),
        ("h", ctypes.c_int),
        ("c", ctypes.c_int),
        ("data", FLOATS),
    )


def library() -> Path | None:
    """The installed library, or ``None``; PRUNUS_DARKNET_LIBRARY names another one."""
    path = Path(os.environ.get(VARIABLE, str(LIBRARY)))
    return path if path.exists() else None


def run(
    module: str, cfg: Path, weights: Path, given: Path, result: Path, *settings: object
) -> None:
    """Run a module of this package with the library's path and these arguments, on one thread.

    Args:
        module: Its ``__name__``.
        cfg: Structure file, read by Darknet itself.
        weights: Weights file.
        given: File of arrays the module reads.
        result: File it writes.
        settings: What else it is told.

    Raises:
        RuntimeError: Darknet ended with an error, or wrote nothing.
    """
    files = (library(), cfg, weights, given, result)
    command = [sys.executable, "-m", module, *map(str, files), *map(str, settings)]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
    )
    if done.returncode or not result.exists():
        raise RuntimeError(f"darknet: {done.stderr.strip()[-400:]}")


def open_library(path: str) -> ctypes.CDLL:
    """The library with the functions declared that load, run and save a network."""
    darknet = ctypes.CDLL(path)
    darknet.load_network.restype = ctypes.c_void_p
    darknet.load_network.argtypes = (ctypes.c_char_p, ctypes.c_char_p, ctypes.c_int)
    darknet.set_batch_network.argtypes = (ctypes.c_void_p, ctypes.c_int)
    darknet.network_predict.restype = FLOATS
    darknet.network_predict.argtypes = (ctypes.c_void_p, FLOATS)
    darknet.save_weights.argtypes = (ctypes.c_void_p, ctypes.c_char_p)
    return darknet
