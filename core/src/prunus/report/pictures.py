"""Inputs of a detector as small pictures, with the boxes found in them before and after."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence

import attrs
import numpy as np
from numpy.typing import NDArray

from prunus.evaluation.decoding import pillow

_SIDE = 260
"""Pixels of the longer side."""


@attrs.frozen
class Box:
    """A rectangle in per cent of the picture.

    Attributes:
        x, y: Its upper left corner.
        width, height: Its size.
        label: Its class.
    """

    x: float
    y: float
    width: float
    height: float
    label: str


@attrs.frozen
class Picture:
    """One input.

    Attributes:
        uri: The picture as a ``data:`` address.
        width, height: Pixels.
        before, after, truth: Boxes.
    """

    uri: str
    width: int
    height: int
    before: tuple[Box, ...]
    after: tuple[Box, ...]
    truth: tuple[Box, ...]


def boxes_of(found: NDArray[np.floating], names: Sequence[str] = ()) -> tuple[Box, ...]:
    """Rectangles of detections or labels.

    Args:
        found: ``(n, 5)``: class, centre x, centre y, width and height, relative to the picture.
        names: Class -> name; without them classes have numbers.
    """
    return tuple(
        Box(
            round(100 * float(x - width / 2), 2),
            round(100 * float(y - height / 2), 2),
            round(100 * float(width), 2),
            round(100 * float(height), 2),
            names[int(label)] if int(label) < len(names) else str(int(label)),
        )
        for label, x, y, width, height in np.asarray(found, float).reshape(-1, 5)[:, :5]
    )


def data_uri(values: NDArray[np.floating]) -> tuple[str, int, int]:
    """A picture as an address, its width and its height.

    Args:
        values: ``(C, H, W)``, red first or grey, 0 to 255.

    Raises:
        DataError: Pillow is not installed.
    """
    images = pillow()
    bytes_ = np.clip(np.round(values), 0, 255).astype(np.uint8)
    array = bytes_[0] if len(bytes_) == 1 else bytes_[:3].transpose(1, 2, 0)
    image = images.fromarray(np.ascontiguousarray(array))
    image.thumbnail((_SIDE, _SIDE))
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=80)
    text = base64.b64encode(stream.getvalue()).decode()
    return f"data:image/jpeg;base64,{text}", image.width, image.height
