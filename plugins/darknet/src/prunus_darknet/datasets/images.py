"""Decoding and resizing images as Darknet does, so that networks see the same numbers.

Format facts: ``load_image_color``, ``resize_image``, ``letterbox_image``, ``center_crop_image``
and ``place_image`` in Darknet's ``src/image.c``; ``resize_min`` with ``crop_image`` is what
AlexeyAB's ``validate_classifier_single`` does. All images are ``(C, H, W)`` float32 in [0, 1].
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from prunus.plugin import DataError, decode

Array = NDArray[np.float32]
GREY = 0.5
"""Darknet's value for the borders of a letterbox."""


def load_image(path: Path, channels: int, where: str) -> Array:
    """Read an image, ``(channels, H, W)``, red first.

    Args:
        path: The file.
        channels: 3, or 1 for grey.
        where: Position that names the file, for messages.

    Raises:
        DataError: missing, no readable image, or another number of channels is asked for.
    """
    if channels not in (1, 3):
        raise DataError(f"the network reads {channels} channels; images have 3, or 1 if grey")
    if not os.path.exists(path):  # unlike Path.exists it never raises
        raise DataError(f"{where}: image {path} not found")
    return unit(decode(path, channels, f"{where}: {path}"))


def unit(pixels: NDArray[np.uint8]) -> Array:
    """Bytes as numbers from 0 to 1."""
    return pixels.astype(np.float32) / np.float32(255)


def resize_image(image: Array, width: int, height: int) -> Array:
    """Bilinear resize with the corners kept: columns first, then rows.

    Returns:
        ``(C, height, width)``.
    """
    if image.shape[1:] == (height, width):
        return image
    columns = _interpolated(image, 2, width)
    return _interpolated(columns, 1, height)


def _interpolated(image: Array, axis: int, size: int) -> Array:
    old = image.shape[axis]
    if size == 1 or old == 1:  # Darknet's last column and row are the image's last
        return np.repeat(np.take(image, [old - 1 if size == 1 else 0], axis), size, axis)
    step = np.float32(old - 1) / np.float32(size - 1)
    position = np.arange(size, dtype=np.float32) * step
    first = np.minimum(position.astype(np.int64), old - 1)
    share = position - first.astype(np.float32)
    first[-1], share[-1] = old - 1, 0
    return _mixed(image, axis, first, 1 - share, share)


def _mixed(image: Array, axis: int, first: NDArray[np.int64], before: Array, after: Array) -> Array:
    """Weighted sums of neighbours along an axis; positions outside are the nearest inside.

    Args:
        image: ``(C, H, W)``.
        axis: 1 or 2.
        first: ``(n,)`` the first of two neighbours.
        before: ``(n,)`` its weight.
        after: ``(n,)`` the other's weight.
    """
    last, shape = image.shape[axis] - 1, [1, 1, 1]
    shape[axis] = len(first)
    result: Array = np.take(image, np.clip(first, 0, last), axis) * before.reshape(shape)
    result += np.take(image, np.clip(first + 1, 0, last), axis) * after.reshape(shape)
    return result


def letterbox_image(image: Array, width: int, height: int) -> tuple[Array, tuple[float, ...]]:
    """The whole image in the middle of a grey canvas.

    Returns:
        ``(C, height, width)``, and where the image lies, relative to the canvas:
        left, top, width, height.
    """
    _, h, w = image.shape
    if np.float32(width) / w < np.float32(height) / h:
        new_w, new_h = width, max(1, h * width // w)
    else:
        new_w, new_h = max(1, w * height // h), height
    canvas = np.full((len(image), height, width), GREY, np.float32)
    left, top = (width - new_w) // 2, (height - new_h) // 2
    canvas[:, top : top + new_h, left : left + new_w] = resize_image(image, new_w, new_h)
    return canvas, (left / width, top / height, new_w / width, new_h / height)


def center_crop_image(image: Array, width: int, height: int) -> Array:
    """The largest square in the middle, resized (pjreddie's classifier validation)."""
    _, h, w = image.shape
    side = min(h, w)
    return resize_image(
        crop_image(image, (w - side) // 2, (h - side) // 2, side, side), width, height
    )


def min_crop_image(image: Array, width: int, height: int) -> Array:
    """Shorter side resized to ``width``, then the middle cut out (AlexeyAB's validation)."""
    _, h, w = image.shape
    size = (width, h * width // w) if w < h else (w * width // h, width)
    resized = resize_image(image, *size)
    left, top = _half(size[0] - width), _half(size[1] - height)
    return crop_image(resized, left, top, width, height)


def crop_image(image: Array, left: int, top: int, width: int, height: int) -> Array:
    """A window; outside the image its border pixels are repeated."""
    rows = np.clip(np.arange(top, top + height), 0, image.shape[1] - 1)
    columns = np.clip(np.arange(left, left + width), 0, image.shape[2] - 1)
    window: Array = image[:, rows[:, None], columns]
    return window


def bilinear(image: Array, x: Array, y: Array) -> Array:
    """Values at real positions, 0 outside; ``x`` and ``y`` broadcast to ``(h, w)``.

    Returns:
        ``(C, h, w)``.
    """
    left, top = np.floor(x).astype(np.int64), np.floor(y).astype(np.int64)
    dx, dy = x - left.astype(np.float32), y - top.astype(np.float32)
    result: Array = (
        (1 - dy) * (1 - dx) * _pixels(image, left, top)
        + dy * (1 - dx) * _pixels(image, left, top + 1)
        + (1 - dy) * dx * _pixels(image, left + 1, top)
        + dy * dx * _pixels(image, left + 1, top + 1)
    )
    return result


def bilinear_grid(image: Array, x: Array, y: Array) -> Array:
    """As ``bilinear``, for every row of ``y`` ``(h,)`` and column of ``x`` ``(w,)``."""
    return _crossed(_crossed(image, 1, y), 2, x)


def _crossed(image: Array, axis: int, positions: Array) -> Array:
    size = image.shape[axis]
    first = np.floor(positions).astype(np.int64)
    share = positions - first.astype(np.float32)
    before = (1 - share) * ((first >= 0) & (first < size))
    after = share * ((first >= -1) & (first < size - 1))
    return _mixed(image, axis, first, before, after)


def _pixels(image: Array, x: NDArray[np.int64], y: NDArray[np.int64]) -> Array:
    _, h, w = image.shape
    inside = (x >= 0) & (x < w) & (y >= 0) & (y < h)
    found: Array = image[:, np.clip(y, 0, h - 1), np.clip(x, 0, w - 1)]
    result: Array = found * inside.astype(np.float32)
    return result


def _half(number: int) -> int:
    """Division by 2 as in C: towards zero."""
    return int(number / 2)
