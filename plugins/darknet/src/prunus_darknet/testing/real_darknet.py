"""Runs the real, unmodified Darknet library (pjreddie's line) in a process of its own.

The library is driven through exported functions only (``load_network``,
``set_batch_network``, ``network_predict``, ``get_network_image_layer``), so no struct
layout but ``image``'s is assumed. It ends the process on errors: hence the subprocess.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

LIBRARY = Path("/usr/lib/darknet/libdarknet.so")
CFG_FOLDER = Path("/usr/share/darknet/cfg")
Array = NDArray[np.float32]


class _Image(ctypes.Structure):
    _fields_ = (
        ("w", ctypes.c_int),
        ("h", ctypes.c_int),
        ("c", ctypes.c_int),
        ("data", ctypes.POINTER(ctypes.c_float)),
    )


def library() -> Path | None:
    """The installed library, or ``None``; PRUNUS_DARKNET_LIBRARY names another one."""
    path = Path(os.environ.get("PRUNUS_DARKNET_LIBRARY", str(LIBRARY)))
    return path if path.exists() else None


def predict(
    cfg: Path,
    weights: Path,
    data: Array,
    layers: Sequence[int],
    outputs: int,
    *,
    fresh: bool = False,
) -> dict[int, Array]:
    """Outputs of layers for one sample.

    Args:
        cfg: Structure file, read by Darknet itself.
        weights: Weights file.
        data: ``(c, h, w)`` float32.
        layers: Indices of layers that give images.
        outputs: Length of the network's answer, given under key -1; 0 for none.
        fresh: Darknet draws the weights itself and writes them to ``weights`` (its
            loader divides by zero at ``[deconvolutional]``, its writer does not).

    Raises:
        RuntimeError: Darknet ended with an error.
    """
    with tempfile.TemporaryDirectory() as folder:
        given, result = Path(folder, "in.npy"), Path(folder, "out.npz")
        np.save(given, np.ascontiguousarray(data, np.float32))
        wanted = ",".join(str(index) for index in layers)
        command = [sys.executable, __file__, str(library()), str(cfg), str(weights), str(given)]
        done = subprocess.run(
            [*command, str(result), wanted, str(outputs), str(int(fresh))],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        )
        if done.returncode or not result.exists():
            raise RuntimeError(f"darknet: {done.stderr.strip()[-400:]}")
        with np.load(result) as arrays:
            return {int(name): arrays[name] for name in arrays.files}


def _main(arguments: Sequence[str]) -> None:
    """The subprocess: library, cfg, weights, input, result, layers, outputs, fresh."""
    library_path, cfg, weights, given, result, wanted, outputs, fresh = arguments
    darknet = ctypes.CDLL(library_path)
    darknet.load_network.restype = ctypes.c_void_p
    darknet.load_network.argtypes = (ctypes.c_char_p, ctypes.c_char_p, ctypes.c_int)
    darknet.set_batch_network.argtypes = (ctypes.c_void_p, ctypes.c_int)
    darknet.network_predict.restype = ctypes.POINTER(ctypes.c_float)
    darknet.network_predict.argtypes = (ctypes.c_void_p, ctypes.POINTER(ctypes.c_float))
    darknet.get_network_image_layer.restype = _Image
    darknet.get_network_image_layer.argtypes = (ctypes.c_void_p, ctypes.c_int)
    darknet.save_weights.argtypes = (ctypes.c_void_p, ctypes.c_char_p)
    network = darknet.load_network(cfg.encode(), None if int(fresh) else weights.encode(), 0)
    if int(fresh):
        darknet.save_weights(network, weights.encode())
    darknet.set_batch_network(network, 1)
    data = np.load(given)
    answer = darknet.network_predict(network, data.ctypes.data_as(ctypes.POINTER(ctypes.c_float)))
    arrays: dict[str, Array] = {}
    for index in (int(part) for part in wanted.split(",") if part):
        image = darknet.get_network_image_layer(network, index)
        count = image.w * image.h * image.c
        flat = np.ctypeslib.as_array(image.data, (count,)) if count else np.zeros(0, np.float32)
        arrays[str(index)] = flat.reshape(image.c, image.h, image.w).copy()
    if int(outputs):
        arrays["-1"] = np.ctypeslib.as_array(answer, (int(outputs),)).copy()
    np.savez(result, allow_pickle=False, **arrays)


if __name__ == "__main__":
    _main(sys.argv[1:])
