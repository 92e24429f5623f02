"""Decoding images the way Caffe's users see them: blue, green, red."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from prunus.errors import DataError


def decode(data: bytes, color: bool, size: tuple[int, int] | None, name: str) -> NDArray[np.uint8]:
    """Image bytes to ``(C, H, W)`` BGR or grey.

    Args:
        data: An encoded image.
        color: Three channels, or one.
        size: Height and width to resize to (bilinear), or ``None``.
        name: For messages.

    Raises:
        DataError: the bytes are no image.
    """
    try:
        with Image.open(io.BytesIO(data)) as opened:
            image = opened.convert("RGB" if color else "L")
    except (UnidentifiedImageError, OSError) as error:
        raise DataError(f"{name}: not a readable image ({error})") from error
    if size is not None and image.size != (size[1], size[0]):
        image = image.resize((size[1], size[0]), Image.Resampling.BILINEAR)
    pixels = np.asarray(image, np.uint8)
    return pixels[..., ::-1].transpose(2, 0, 1) if color else pixels[None]


def load(path: Path, color: bool, size: tuple[int, int] | None) -> NDArray[np.uint8]:
    """Read and decode a file.

    Raises:
        DataError: missing or no image.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    return decode(data, color, size, str(path))
