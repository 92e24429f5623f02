"""Windows over height and width: data format, padding, strides.

Source: tensorflow/core/framework/common_shape_fns.cc, ``GetWindowedOutputSizeVerbose``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs

from prunus_tensorflow.graphdef.attributes import attr
from prunus_tensorflow.graphdef.rules.context import Context
from prunus_tensorflow.lower.tensors import Dynamic, Unlowerable, channels_first


@attrs.frozen
class Window:
    """A sliding window, spatial axes only.

    Attributes:
        kernel, strides, dilations: Numbers an axis.
        begins, ends: Padding an axis.
        sizes: Output sizes.
    """

    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    begins: tuple[int, ...]
    ends: tuple[int, ...]
    sizes: tuple[int, ...]

    @property
    def pads(self) -> list[int]:
        """ONNX order: all begins, then all ends."""
        return [*self.begins, *self.ends]


def is_last(node: Any) -> bool:
    """True if the node keeps channels in the last axis."""
    return not attr(node, "data_format").s.startswith(b"NC")


def spatial_axes(rank: int, last: bool) -> range:
    """Native spatial axes."""
    return range(1, rank - 1) if last else range(2, rank)


def channel_axis(rank: int, last: bool) -> int:
    """Native channel axis."""
    return rank - 1 if last else 1


def to_channels_first(context: Context, tensor: Dynamic, last: bool, layer: str) -> Dynamic:
    """The tensor with its neutral axes as N, C, spatial…; only a native layout may differ."""
    rank = len(tensor.shape)
    if rank < 3:
        raise Unlowerable(f"its input has {rank} axes")
    perm = channels_first(rank) if last else tuple(range(rank))
    return context.builder.arrange(tensor, perm, layer)


def native_shape(batch: int, channels: int, sizes: Sequence[int], last: bool) -> tuple[int, ...]:
    """Native shape from its parts."""
    return (batch, *sizes, channels) if last else (batch, channels, *sizes)


def native_perm(rank: int, last: bool) -> tuple[int, ...]:
    """Permutation of a channels-first neutral value."""
    return channels_first(rank) if last else tuple(range(rank))


def spatial_numbers(values: Sequence[int], rank: int, last: bool) -> tuple[int, ...]:
    """Spatial part of a per-axis attribute; empty means ones.

    Raises:
        Unlowerable: the attribute also strides over batch or channels.
    """
    if not values:
        return (1,) * (rank - 2)
    axes = spatial_axes(rank, last)
    if any(values[axis] != 1 for axis in range(rank) if axis not in axes):
        raise Unlowerable("its window runs over batch or channels")
    return tuple(int(values[axis]) for axis in axes)


def make_window(
    node: Any,
    inputs: Sequence[int],
    kernel: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
) -> Window:
    """Output sizes and padding; ``inputs`` are the spatial input sizes.

    SAME puts the odd one of an uneven padding at the end.
    """
    scheme = attr(node, "padding").s.decode()
    explicit = list(attr(node, "explicit_paddings").list.i)
    axes = spatial_axes(len(inputs) + 2, is_last(node))
    begins, ends, sizes = [], [], []
    for position, size in enumerate(inputs):
        reach = (kernel[position] - 1) * dilations[position] + 1
        stride = strides[position]
        begin = end = 0
        if scheme == "SAME":
            out = -(-size // stride)
            total = max((out - 1) * stride + reach - size, 0)
            begin, end = total // 2, total - total // 2
        elif scheme == "EXPLICIT":
            begin, end = explicit[2 * axes[position] : 2 * axes[position] + 2]
        out = (size + begin + end - reach) // stride + 1
        if out < 1:
            raise Unlowerable(f"its window of {reach} does not fit an input of {size}")
        begins.append(begin)
        ends.append(end)
        sizes.append(out)
    return Window(
        tuple(kernel), tuple(strides), tuple(dilations), tuple(begins), tuple(ends), tuple(sizes)
    )
