"""Boxes the real Darknet library (pjreddie's fork) finds, in a process of its own.

``get_network_boxes`` and ``do_nms_sort`` are called as ``test_detector`` calls them.
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
_STATES = ("before", "after")
_NAMES = ("coordinates", "objectness", "scores")


class _Detection(ctypes.Structure):
    _fields_ = (
        ("bbox", ctypes.c_float * 4),
        ("classes", ctypes.c_int),
        ("prob", FLOATS),
        ("mask", FLOATS),
        ("objectness", ctypes.c_float),
        ("sort_class", ctypes.c_int),
    )


@attrs.frozen(eq=False)
class RealBoxes:
    """Result of ``get_network_boxes``.

    Attributes:
        coordinates: ``(n, 4)`` centre x, centre y, width, height in pixels of the image.
        objectness: ``(n,)``.
        scores: ``(n, classes)``; 0 where not above the threshold or suppressed.
    """

    coordinates: Array
    objectness: Array
    scores: Array

    def rows(self) -> Array:
        """``(m, 6)`` class, score and position of scores above 0; by class, the surest first."""
        box, chosen = np.nonzero(self.scores)
        rows = np.column_stack([chosen, self.scores[box, chosen], self.coordinates[box]])
        return rows[np.lexsort((-rows[:, 1], rows[:, 0]))]


def real_boxes(
    cfg: Path,
    weights: Path,
    data: Array,
    image: tuple[int, int],
    classes: int,
    threshold: float,
    overlap: float,
) -> tuple[RealBoxes, RealBoxes]:
    """Run Darknet on one sample; gives the boxes before and after suppression.

    Args:
        cfg: Structure file.
        weights: Weights file.
        data: ``(c, h, w)`` network input.
        image: Width and height of the image it was made from.
        classes: Number of classes, which Darknet itself forgets to note for ``[region]``.
        threshold: Least score.
        overlap: Largest overlap of ``do_nms_sort``.

    Raises:
        RuntimeError: Darknet ended with an error.
    """
    with tempfile.TemporaryDirectory() as folder:
        given, result = Path(folder, "in.npy"), Path(folder, "out.npz")
        np.save(given, np.ascontiguousarray(data, np.float32))
        numbers = (*image, classes, threshold, overlap)
        run(__name__, cfg, weights, given, result, *numbers)
        with np.load(result) as arrays:
            before, after = (
                RealBoxes(*(arrays[f"{state}-{name}"] for name in _NAMES)) for state in _STATES
            )
            return before, after


def _main(arguments: Sequence[str]) -> None:
    """The subprocess: library, cfg, weights, input, result, then image size and settings."""
    path, cfg, weights, given, result, *numbers = arguments
    width, height, classes = map(int, numbers[:3])
    threshold, overlap = map(float, numbers[3:])
    darknet = open_library(path)
    darknet.get_network_boxes.restype = ctypes.POINTER(_Detection)
    darknet.get_network_boxes.argtypes = (
        *(ctypes.c_void_p, ctypes.c_int, ctypes.c_int, ctypes.c_float, ctypes.c_float),
        *(ctypes.c_void_p, ctypes.c_int, ctypes.POINTER(ctypes.c_int)),
    )
    darknet.do_nms_sort.argtypes = (
        *(ctypes.POINTER(_Detection), ctypes.c_int, ctypes.c_int, ctypes.c_float),
    )
    network = darknet.load_network(cfg.encode(), weights.encode(), 0)
    darknet.set_batch_network(network, 1)
    data = np.load(given)
    darknet.network_predict(network, data.ctypes.data_as(FLOATS))
    count = ctypes.c_int()
    found = darknet.get_network_boxes(
        network, width, height, threshold, 0.5, None, 0, ctypes.byref(count)
    )
    arrays = _arrays("before", found[: count.value], classes)
    darknet.do_nms_sort(found, count, classes, overlap)
    arrays |= _arrays("after", found[: count.value], classes)
    np.savez(result, **arrays)  # type: ignore[arg-type]  # NumPy 1 has no allow_pickle here


def _arrays(state: str, boxes: Sequence[_Detection], classes: int) -> dict[str, Array]:
    values = (
        np.array([tuple(box.bbox) for box in boxes], np.float32).reshape(-1, 4),
        np.array([box.objectness for box in boxes], np.float32),
        np.array([box.prob[:classes] for box in boxes], np.float32).reshape(-1, classes),
    )
    return {f"{state}-{name}": value for name, value in zip(_NAMES, values, strict=True)}


if __name__ == "__main__":
    _main(sys.argv[1:])
