"""Rows of activations: some positions of a value, or some windows of a convolution's input."""

from __future__ import annotations

import math
from collections.abc import Iterator

import attrs
import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

Array = NDArray[np.float32]
Positions = tuple[NDArray[np.int64], ...]
"""Position on the first axis, then on every spatial axis; one array ``(n,)`` each."""


@attrs.frozen
class Window:
    """The positions of a convolution's input that make one position of its output.

    Attributes:
        kernel, strides, dilations: One number a spatial axis; none for a matrix product.
        pads: Before every spatial axis, then behind every one.
    """

    kernel: tuple[int, ...] = ()
    strides: tuple[int, ...] = ()
    dilations: tuple[int, ...] = ()
    pads: tuple[int, ...] = ()


def window_of(node: ir.Node, kernel: tuple[int, ...]) -> Window | None:
    """The window of a convolution or matrix product; ``None`` where it is not plain."""
    attributes = node.attributes
    if node.op_type in ("Gemm", "MatMul"):
        return Window()
    if node.op_type != "Conv" or attributes.get_string("auto_pad", "NOTSET") != "NOTSET":
        return None
    ones = (1,) * len(kernel)
    return Window(
        kernel,
        tuple(attributes.get_ints("strides", ones)),
        tuple(attributes.get_ints("dilations", ones)),
        tuple(attributes.get_ints("pads", (0, 0) * len(kernel))),
    )


def draw_positions(value: Array, count: int, draw: np.random.Generator) -> Positions:
    """``count`` positions of a value ``(N, C, ...)``, or all if there are no more; sorted."""
    sizes = (len(value), *value.shape[2:])
    total = math.prod(sizes)
    chosen = np.arange(total)
    if total > count:
        chosen = np.sort(draw.integers(0, total, count))
    return tuple(np.unravel_index(chosen, sizes))


def chunks(positions: Positions, count: int) -> Iterator[tuple[slice, Positions]]:
    """Sorted positions, ``count`` at a time: the slice of the first axis they lie in, and they.

    Positions on the first axis count from the start of the slice.
    """
    for start in range(0, len(positions[0]), count):
        first, *rest = (part[start : start + count] for part in positions)
        low = int(first[0])
        yield slice(low, int(first[-1]) + 1), (first - low, *rest)


def points(value: Array, positions: Positions) -> Array:
    """Channels ``(n, C)`` at positions of a value ``(N, C, ...)``."""
    first, *rest = positions
    found: Array = np.moveaxis(value, 1, -1)[(first, *rest)]
    return found


def windows(value: Array, positions: Positions, window: Window) -> Array:
    """Padded windows ``(n, C · kernel)``, channel by channel, at positions of the output."""
    axes = len(window.kernel)
    if not axes:
        return points(value, positions)
    first, *rest = positions
    pads = list(zip(window.pads[:axes], value.shape[2:], window.pads[axes:], strict=True))
    # channels of a position lie together
    padded = np.zeros((len(value), *map(sum, pads), value.shape[1]), value.dtype)
    inner = tuple(slice(before, before + size) for before, size, _ in pads)
    padded[(slice(None), *inner)] = np.moveaxis(value, 1, -1)
    found = np.empty((len(first), value.shape[1], math.prod(window.kernel)), np.float32)
    for number, offset in enumerate(np.ndindex(window.kernel)):
        at = tuple(
            position * step + shift * spread
            for position, step, shift, spread in zip(
                rest, window.strides, offset, window.dilations, strict=True
            )
        )
        found[:, :, number] = padded[(first, *at)]
    return found.reshape(len(first), -1)
