"""Image files and bytes to pixels; a hostile file is refused before its pixels are allocated."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from prunus.errors import DataError
from prunus.regular_files import check_regular

if TYPE_CHECKING:
    from types import ModuleType

FORMATS = ("JPEG", "PNG", "BMP", "PPM", "WEBP", "GIF", "TIFF")
"""Read by Pillow itself; of its others, one (EPS) starts a program."""


def decode(source: Path | bytes, channels: int | None, where: str) -> NDArray[np.uint8]:
    """Decode an image to ``(C, H, W)``, red first.

    Args:
        source: A file, or its bytes.
        channels: 3, 1 for grey, or ``None`` for what the image holds (grey or colours).
        where: File and position, the start of messages.

    Raises:
        DataError: missing, no image, damaged, or of more pixels than Pillow's limit (89 million).
    """
    images = pillow()
    opened = io.BytesIO(source) if isinstance(source, bytes) else source
    try:
        if isinstance(source, Path):
            check_regular(source)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what Pillow leaves out of a damaged file
            warnings.simplefilter("error", images.DecompressionBombWarning)
            with images.open(opened, formats=FORMATS) as image:
                grey = channels == 1 or (channels is None and image.mode in ("1", "L"))
                pixels = np.asarray(image.convert("L" if grey else "RGB"), np.uint8)
    except Exception as error:  # Pillow's readers raise their own untyped errors
        raise DataError(f"{where}: not a readable image ({_reason(error)})") from error
    return pixels[None] if grey else pixels.transpose(2, 0, 1)


def pillow() -> ModuleType:
    """The PIL.Image module.

    Raises:
        DataError: Pillow is not installed.
    """
    try:
        from PIL import Image
    except ImportError as error:
        raise DataError(
            "reading images needs Pillow; install it with: pip install pillow"
        ) from error
    return Image


def _reason(error: Exception) -> str:
    """The cause in a few words; Pillow's own name the file once more."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    text = str(error).split(", could be")[0]
    return "no image of a known kind" if "cannot identify" in text else text[:120]
