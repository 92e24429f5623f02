"""Outputs of layers as the real Darknet library (pjreddie's fork) computes them."""

from __future__ import annotations

import ctypes
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from prunus_darknet.library import FLOATS, Image, open_library, run

Array = NDArray[np.float32]


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
        run(__name__, cfg, weights, given, result, wanted, outputs, int(fresh))
        with np.load(result) as arrays:
            return {int(name): arrays[name] for name in arrays.files}


def _main(arguments: Sequence[str]) -> None:
    """The subprocess: library, cfg, weights, input, result, layers, outputs, fresh."""
    library_path, cfg, weights, given, result, wanted, outputs, fresh = arguments
    darknet = open_library(library_path)
    darknet.get_network_image_layer.restype = Image
    darknet.get_network_image_layer.argtypes = (ctypes.c_void_p, ctypes.c_int)
    network = darknet.load_network(cfg.encode(), None if int(fresh) else weights.encode(), 0)
    if int(fresh):
        darknet.save_weights(network, weights.encode())
    darknet.set_batch_network(network, 1)
    data = np.load(given)
    answer = darknet.network_predict(network, data.ctypes.data_as(FLOATS))
    arrays: dict[str, Array] = {}
    for index in (int(part) for part in wanted.split(",") if part):
        image = darknet.get_network_image_layer(network, index)
        count = image.w * image.h * image.c
        flat = np.ctypeslib.as_array(image.data, (count,)) if count else np.zeros(0, np.float32)
        arrays[str(index)] = flat.reshape(image.c, image.h, image.w).copy()
    if int(outputs):
        arrays["-1"] = np.ctypeslib.as_array(answer, (int(outputs),)).copy()
    np.savez(result, **arrays)  # type: ignore[arg-type]  # NumPy 1 has no allow_pickle here


if __name__ == "__main__":
    _main(sys.argv[1:])
