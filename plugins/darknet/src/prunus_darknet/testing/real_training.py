"""One training step of the real Darknet library (pjreddie's fork), in a process of its own.

``train_network`` of the batch that the structs ``matrix`` and ``data`` hold.
"""

from __future__ import annotations

import ctypes
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import attrs
import numpy as np
from numpy.typing import NDArray

from prunus_darknet.library import FLOATS, open_library, run

Array = NDArray[np.float32]


class _Matrix(ctypes.Structure):
    _fields_ = (("rows", ctypes.c_int), ("cols", ctypes.c_int), ("vals", ctypes.POINTER(FLOATS)))


class _Data(ctypes.Structure):
    _fields_ = (
        ("w", ctypes.c_int),
        ("h", ctypes.c_int),
        ("x", _Matrix),
        ("y", _Matrix),
        ("shallow", ctypes.c_int),
        ("num_boxes", ctypes.c_void_p),
        ("boxes", ctypes.c_void_p),
    )


@attrs.frozen
class Step:
    """Result of a training step.

    Attributes:
        loss: The network's cost over the number of samples.
        weights: The weights file after the update.
    """

    loss: float
    weights: bytes


def train_step(cfg: Path, weights: Path, samples: Array, truths: Array) -> Step:
    """Train on one batch.

    Args:
        cfg: Structure, whose ``batch`` is the number of samples.
        weights: Weights to begin with.
        samples: ``(N, values)`` flat inputs.
        truths: ``(N, values)`` flat truths, as long as the last layer wants them.

    Raises:
        RuntimeError: Darknet ended with an error.
    """
    with tempfile.TemporaryDirectory() as folder:
        given, after = Path(folder, "in.npz"), Path(folder, "after.weights")
        np.savez(given, x=np.asarray(samples, np.float32), y=np.asarray(truths, np.float32))
        run(__name__, cfg, weights, given, after)
        return Step(float(_loss_file(after).read_text()), after.read_bytes())


def _loss_file(weights: Path) -> Path:
    """Where the loss is: Darknet's own words on stdout come whenever its buffer is full."""
    return weights.with_suffix(".loss")


def _matrix(array: Array) -> _Matrix:
    """Rows of the array; it must outlive the matrix."""
    rows = (FLOATS * len(array))(*(row.ctypes.data_as(FLOATS) for row in array))
    return _Matrix(len(array), array.shape[1], rows)


def _main(arguments: Sequence[str]) -> None:
    """The subprocess: library, cfg, weights, samples, weights to write."""
    path, cfg, weights, given, after = arguments
    darknet = open_library(path)
    darknet.train_network.restype = ctypes.c_float
    darknet.train_network.argtypes = (ctypes.c_void_p, _Data)
    network = darknet.load_network(cfg.encode(), weights.encode(), 0)
    with np.load(given) as arrays:
        x, y = arrays["x"], arrays["y"]
    data = _Data(0, 0, _matrix(x), _matrix(y), 0, None, None)
    loss = darknet.train_network(network, data)
    darknet.save_weights(network, after.encode())
    _loss_file(Path(after)).write_text(repr(loss))


if __name__ == "__main__":
    _main(sys.argv[1:])
