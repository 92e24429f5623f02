"""Decoding images the way Caffe's users see them: blue, green, red."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import prunus.plugin as core
from prunus.plugin import DataError, read_regular


def decode(
    data: bytes, color: bool | None, size: tuple[int, int] | None, name: str
) -> NDArray[np.uint8]:
    """Image bytes to ``(C, H, W)`` BGR or grey.

    Args:
        data: An encoded image.
        color: Three channels, one, or ``None`` for what the file holds.
        size: Height and width to resize to, or ``None``.
        name: For messages.

    Raises:
        DataError: the bytes are no image.
    """
    channels = None if color is None else 3 if color else 1
    pixels = core.decode(data, channels, name)[::-1]
    if size is not None and pixels.shape[1:] != size:
        pixels = resize(pixels, size)
    return pixels


def resize(pixels: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Bilinear as OpenCV's ``resize.cpp`` does it for bytes: no smoothing, 11 bit weights.

    Args:
        pixels: ``(C, H, W)``.
        size: New height and width.
    """
    (top, above), (bottom, below) = _taps(pixels.shape[1], size[0])
    (left, before), (right, after) = _taps(pixels.shape[2], size[1])
    numbers = pixels.astype(np.int32)
    wide = (numbers[:, :, left] * before + numbers[:, :, right] * after) >> 4
    upper, lower = wide[:, top] * above[:, None] >> 16, wide[:, bottom] * below[:, None] >> 16
    return ((upper + lower + 2) >> 2).astype(np.uint8)


def _taps(before: int, after: int) -> list[tuple[NDArray[np.int64], NDArray[np.int32]]]:
    """The two positions every new one reads, with their weights of 2048 in all."""
    position = (np.arange(after) + 0.5) * (before / after) - 0.5
    position = np.clip(position, 0, before - 1).astype(np.float32)
    low = np.minimum(position.astype(np.int64), before - 1)
    upper = np.rint((position - low) * 2048).astype(np.int32)
    lower = np.rint((1 - (position - low)) * 2048).astype(np.int32)
    return [(low, lower), (np.minimum(low + 1, before - 1), upper)]


def load(path: Path, color: bool, size: tuple[int, int] | None) -> NDArray[np.uint8]:
    """Read and decode a file.

    Raises:
        DataError: missing or no image.
    """
    try:
        data = read_regular(path)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    return decode(data, color, size, str(path))
