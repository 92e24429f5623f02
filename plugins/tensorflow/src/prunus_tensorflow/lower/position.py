"""Where a weight lies natively, and how its array becomes the neutral one and back."""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


@attrs.frozen
class Holder:
    """The native owner of an array.

    Attributes:
        node: Node of the graph: a variable or a Const.
        kind: ``variable`` (value in the checkpoint) or ``const`` (value in the node).
        key: Name in the checkpoint; the node name for a Const.
    """

    node: str
    kind: str
    key: str


@attrs.frozen
class Position:
    """One initializer's native array and the rearrangement between the two.

    The native array, padded with ones in front to ``len(perm)`` axes, is transposed by
    ``perm``. ``depthwise`` then joins the first two axes: TensorFlow keeps depthwise filters
    as (kh, kw, C, M), ONNX wants (C * M, 1, kh, kw). ``squeeze`` drops the leading ones that
    remain (a PRelu slope has no batch axis).

    Attributes:
        holder: Owner of the native array.
        shape: Native shape.
        perm: Permutation of the padded native axes.
        depthwise: Join filters of a depthwise convolution.
        squeeze: Number of leading unit axes dropped at the end.
    """

    holder: Holder
    shape: tuple[int, ...]
    perm: tuple[int, ...]
    depthwise: bool = False
    squeeze: int = 0

    def to_neutral(self, native: Array) -> Array:
        """Native layout -> neutral layout; the array may be of positions as well."""
        padded = native.reshape((1,) * (len(self.perm) - native.ndim) + native.shape)
        moved = padded.transpose(self.perm)
        if self.depthwise:
            channels, multiplier, *kernel = moved.shape
            moved = moved.reshape(channels * multiplier, 1, *kernel)
        return moved.reshape(moved.shape[self.squeeze :])

    def native_mask(self, mask: Array) -> Array:
        """Mask of the neutral array -> mask of the native one."""
        numbers = np.arange(np.prod(self.shape, dtype=int)).reshape(self.shape)
        found = np.zeros(self.shape, mask.dtype)
        found.ravel()[self.to_neutral(numbers).ravel()] = mask.ravel()
        return found

    def to_native(self, neutral: Array, channels: int | None = None) -> Array:
        """Neutral layout -> native layout.

        Args:
            neutral: Array in the neutral layout, full or compact.
            channels: Input channels C of a depthwise filter (its conv's ``group``).
        """
        moved = neutral.reshape((1,) * self.squeeze + neutral.shape)
        if self.depthwise:
            if not channels:
                raise ValueError("a depthwise filter needs its number of channels")
            moved = moved.reshape(channels, moved.shape[0] // channels, *moved.shape[2:])
        padded = moved.transpose(np.argsort(self.perm))
        return padded.reshape(padded.shape[len(self.perm) - len(self.shape) :])
