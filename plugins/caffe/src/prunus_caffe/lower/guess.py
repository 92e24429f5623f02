"""The size of a sample, told by the weights: how many numbers the first full layer reads."""

from __future__ import annotations

from collections.abc import Callable

import attrs
import numpy as np
from numpy.typing import NDArray

from prunus.plugin import ModelError
from prunus_caffe.blobs import Blobs
from prunus_caffe.records.layers import LayerRecord

Dims = tuple[int, ...]
Try = Callable[[Dims, Blobs], object]
"""Lowers the network for samples of these dims and with these weights."""

_LARGEST = 2048
"""Height and width up to which sizes are tried."""


class _ReachedError(Exception):
    """The first fully connected layer: numbers it would read, and those its weights are for."""

    def __init__(self, asked: int, stored: int) -> None:
        super().__init__()
        self.asked, self.stored = asked, stored


@attrs.frozen
class _Probe:
    """Weights that end the lowering at the first fully connected layer; the others are zeros."""

    blobs: Blobs

    def count(self, layer: LayerRecord) -> int | None:
        """Blobs stored for a layer."""
        return self.blobs.count(layer)

    def dims(self, layer: LayerRecord, index: int) -> Dims | None:
        """Stored shape."""
        return self.blobs.dims(layer, index)

    def take(self, layer: LayerRecord, index: int, role: str, dims: Dims) -> NDArray[np.float32]:
        """Zeros without memory of their own."""
        stored = self.blobs.dims(layer, index)
        if layer.type == "InnerProduct" and index == 0 and stored:
            axis = -2 if layer.params.inner_product_param.transpose else -1
            raise _ReachedError(dims[axis], stored[axis])
        return np.broadcast_to(np.float32(0), dims)


def guess_size(attempt: Try, blobs: Blobs, channels: int | None) -> Dims | None:
    """Dims ``(C, H, W)`` of one sample for which the first full layer's weights fit.

    Several sizes may fit, as windows leave remainders: the roundest of them is taken.

    Args:
        attempt: Lowers the network.
        blobs: Its weights.
        channels: C, where a convolution tells.

    Returns:
        ``None`` where no size fits or all do (a global pooling).
    """

    def read(dims: Dims) -> tuple[int, int]:
        try:
            attempt(dims, _Probe(blobs))
        except _ReachedError as reached:
            return reached.asked, reached.stored
        except ModelError:  # a window does not fit
            return 0, 1
        return 0, 0

    for chosen in (1, 3) if channels is None else (channels,):
        found = _square(lambda side, c=chosen: read((c, side, side)))  # type: ignore[misc]
        if found is not None:
            return (chosen, found, found)
    stored = read((1, 1, 1))[1] if channels is None else 0
    return (stored, 1, 1) if stored and read((stored, 1, 1)) == (stored, stored) else None


def _square(read: Callable[[int], tuple[int, int]]) -> int | None:
    """The roundest side for which as many numbers are read as stored."""

    def first(reaches: Callable[[int, int], bool]) -> int:
        low, high = 0, 1
        while high <= _LARGEST and not reaches(*read(high)):
            low, high = high, high * 2
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if reaches(*read(middle)) else (middle, high)
        return high

    start = first(lambda asked, stored: asked >= stored)
    if start > _LARGEST or len(set(read(start))) > 1:
        return None
    end = first(lambda asked, stored: asked > stored)
    if end > _LARGEST:
        return None
    return max(range(start, end), key=lambda side: (side & -side, side))
