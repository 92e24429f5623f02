"""Truth of an image: boxes from label files, classes from paths.

Format facts: ``fill_truth_detection``, ``read_boxes``, ``correct_boxes`` and ``fill_truth`` in
Darknet's ``src/data.c``; ``replace_image_to_label`` in AlexeyAB's ``src/utils.c``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from prunus.plugin import DataError, read_regular
from prunus_darknet.cfg import shortened
from prunus_darknet.datasets.images import Array

_FOLDERS = (("images", "labels"), ("JPEGImages", "labels"), ("raw", "labels"))
_SUFFIXES = (".jpg", ".png", ".JPG", ".JPEG", ".jpeg", ".PNG", ".bmp", ".BMP", ".ppm", ".tiff")
_SMALLEST = 0.001
"""Narrower or lower boxes are no training objects to Darknet."""


def label_paths(image: str, alexeyab: bool) -> tuple[str, ...]:
    """Where the label file of an image may be, Darknet's own path first.

    pjreddie's Darknet replaces the first ``images`` by ``labels``; AlexeyAB's also
    takes label files that lie beside their images.
    """
    replaced = image
    for folder, labels in _FOLDERS:
        replaced = replaced.replace(folder, labels, 1)
    moved, beside = _text_name(replaced), _text_name(image)
    if alexeyab and moved != beside:
        return (moved, beside)
    return (moved,)


def read_boxes(path: Path, classes: int | None, source: str) -> Array:
    """The boxes of a label file.

    Args:
        path: One ``class x y width height`` a line, relative to the image.
        classes: Number of classes, where it is known.
        source: What says how many classes there are, for messages.

    Returns:
        ``(boxes, 5)``: class, centre x, centre y, width, height.

    Raises:
        DataError: a line is broken or its class is not there.
    """
    try:
        lines = read_regular(path).decode("utf-8", "replace").split("\n")
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    rows = [
        _box(line, f"{path}:{number}", classes, source)
        for number, line in enumerate(lines, start=1)
        if line.strip()
    ]
    return np.array(rows, np.float32).reshape(-1, 5)


def placed(boxes: Array, area: Sequence[float]) -> Array:
    """Boxes relative to the canvas on which the image lies at ``area`` (left, top, w, h)."""
    left, top, width, height = area
    scale = np.array([1, width, height, width, height], np.float32)
    return (boxes * scale + np.array([0, left, top, 0, 0], np.float32)).astype(np.float32)


def training_boxes(boxes: Array, area: Sequence[float], flip: bool) -> Array:
    """Boxes of a training image that lies at ``area`` of the canvas and may be mirrored.

    A box with its centre at (0, 0) is left out; Darknet moves it to 999999, out of sight.
    """
    return corrected(placed(boxes[boxes[:, 1:3].any(1)], area), flip)


def corrected(boxes: Array, flip: bool) -> Array:
    """Training boxes: mirrored, cut off at the canvas, tiny ones left out."""
    x, y, half_w, half_h = boxes[:, 1], boxes[:, 2], boxes[:, 3] / 2, boxes[:, 4] / 2
    left, right = x - half_w, x + half_w
    if flip:
        left, right = 1 - right, 1 - left
    left, right = np.clip(left, 0, 1), np.clip(right, 0, 1)
    top, bottom = np.clip(y - half_h, 0, 1), np.clip(y + half_h, 0, 1)
    sides = right - left, bottom - top
    result = np.stack([boxes[:, 0], (left + right) / 2, (top + bottom) / 2, *sides], 1)
    return result[(sides[0] >= _SMALLEST) & (sides[1] >= _SMALLEST)].astype(np.float32)


def class_of(path: str, names: Sequence[str], where: str, strict: bool) -> int:
    """The class whose label is part of the path.

    Args:
        path: As the list has it.
        names: Labels.
        where: Position of the path, for messages.
        strict: Training: Darknet would train on every label that is part of the path.
            Validation takes the first one.

    Raises:
        DataError: no label fits; or several do and ``strict``.
    """
    found = [number for number, name in enumerate(names) if name in path]
    if not found:
        raise DataError(f"{where}: no label is part of the path {path}")
    if strict and len(found) > 1:
        raise DataError(
            f"{where}: labels '{names[found[0]]}' and '{names[found[1]]}' are both part of the "
            f"path {path}"
        )
    return found[0]


def _text_name(image: str) -> str:
    for suffix in _SUFFIXES:
        if image.endswith(suffix):
            return image.removesuffix(suffix) + ".txt"
    return image


def _box(line: str, where: str, classes: int | None, source: str) -> tuple[float, ...]:
    words = line.split()
    try:
        chosen = int(words[0])
        numbers = tuple(float(word) for word in words[1:])
    except ValueError:
        numbers = ()
    if len(numbers) != 4 or not all(math.isfinite(number) for number in numbers):
        shown = shortened(line.strip())
        raise DataError(f"{where}: expected 'class x y width height', found {shown!r}")
    if chosen < 0 or (classes is not None and chosen >= classes):
        raise DataError(f"{where}: class {chosen}, but {source} has classes={classes}")
    return (float(chosen), *numbers)
