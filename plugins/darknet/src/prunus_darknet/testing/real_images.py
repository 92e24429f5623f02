"""Darknet's own image functions, called in the real library (pjreddie's fork)."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prunus_darknet.library import FLOATS, Image

Array = NDArray[np.float32]
_INT, _FLOAT = ctypes.c_int, ctypes.c_float
_GIVING: dict[str, tuple[Any, ...]] = {
    "load_image_color": (ctypes.c_char_p, _INT, _INT),
    "resize_image": (Image, _INT, _INT),
    "letterbox_image": (Image, _INT, _INT),
    "center_crop_image": (Image, _INT, _INT),
    "resize_min": (Image, _INT),
    "crop_image": (Image, _INT, _INT, _INT, _INT),
    "rotate_crop_image": (Image, _FLOAT, _FLOAT, _INT, _INT, _FLOAT, _FLOAT, _FLOAT),
}
_CHANGING: dict[str, tuple[Any, ...]] = {
    "distort_image": (_FLOAT, _FLOAT, _FLOAT),
    "place_image": (_INT, _INT, _INT, _INT, Image),
}


class RealImages:
    """The image functions of the library; images are ``(C, H, W)`` float32."""

    def __init__(self, library: Path) -> None:
        self._library = ctypes.CDLL(str(library))
        for name, types in _GIVING.items():
            function = getattr(self._library, name)
            function.argtypes, function.restype = types, Image
        for name, types in _CHANGING.items():
            function = getattr(self._library, name)
            function.argtypes, function.restype = (Image, *types), None

    def load(self, path: Path) -> Array:
        """``load_image_color`` at the file's own size."""
        return _array(self._library.load_image_color(str(path).encode(), 0, 0))

    def give(self, name: str, image: Array, *values: float) -> Array:
        """Call a function that gives a new image."""
        held = np.ascontiguousarray(image, np.float32)
        return _array(getattr(self._library, name)(_image(held), *values))

    def distort(self, image: Array, hue: float, saturation: float, exposure: float) -> Array:
        """``distort_image`` of a copy."""
        held = np.array(image, np.float32, order="C")
        self._library.distort_image(_image(held), hue, saturation, exposure)
        return held

    def boxes(
        self,
        image: Path,
        count: int,
        flip: bool,
        shift: tuple[float, float],
        scale: tuple[float, float],
    ) -> Array:
        """``fill_truth_detection``: ``(boxes, 5)``, class first, in no certain order."""
        truth = np.zeros((count, 5), np.float32)
        self._library.fill_truth_detection.restype = None
        data = truth.ctypes.data_as(FLOATS)
        numbers = [_FLOAT(value) for value in (*shift, *scale)]
        self._library.fill_truth_detection(
            str(image).encode(), count, data, 99, int(flip), *numbers
        )
        return truth[truth[:, 3] > 0][:, [4, 0, 1, 2, 3]]

    def place(self, image: Array, width: int, height: int, dx: int, dy: int, on: Array) -> Array:
        """``place_image`` onto a copy of ``on``."""
        held, canvas = np.ascontiguousarray(image, np.float32), np.array(on, np.float32, order="C")
        self._library.place_image(_image(held), width, height, dx, dy, _image(canvas))
        return canvas


def _image(array: Array) -> Image:
    channels, height, width = array.shape
    data = array.ctypes.data_as(FLOATS)
    return Image(width, height, channels, data)


def _array(image: Image) -> Array:
    return np.ctypeslib.as_array(image.data, (image.c, image.h, image.w)).copy()
