"""Windows over space: Keras padding schemes as ONNX pads and output sizes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs

from prunus_tensorflow.lower.tensors import Unlowerable


@attrs.frozen
class Window:
    """A sliding window over the spatial axes.

    Attributes:
        kernel, strides, dilations: Numbers an axis.
        pads: All begins, then all ends (ONNX order).
        sizes: Output sizes.
    """

    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    pads: tuple[int, ...]
    sizes: tuple[int, ...]

    def attributes(self) -> dict[str, Any]:
        """The attributes all windowed ONNX operators have in common."""
        return {
            "kernel_shape": list(self.kernel),
            "strides": list(self.strides),
            "pads": list(self.pads),
        }


def window(
    inputs: Sequence[int],
    kernel: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
    padding: str,
) -> Window:
    """Pads and output sizes of a forward window.

    ``same`` puts the odd one of an uneven padding at the end; ``causal`` pads the past only
    (keras/src/layers/convolutional/base_conv.py, tensorflow/core/framework/common_shape_fns.cc).

    Raises:
        Unlowerable: the window does not fit, or the scheme is unknown.
    """
    begins, ends, sizes = [], [], []
    for size, width, stride, dilation in zip(inputs, kernel, strides, dilations, strict=True):
        reach = (width - 1) * dilation + 1
        begin, end = _pads(padding, size, reach, stride)
        out = (size + begin + end - reach) // stride + 1
        if out < 1:
            raise Unlowerable(f"its window of {reach} does not fit an input of {size}")
        begins.append(begin)
        ends.append(end)
        sizes.append(out)
    return Window(tuple(kernel), tuple(strides), tuple(dilations), (*begins, *ends), tuple(sizes))


def _pads(padding: str, size: int, reach: int, stride: int) -> tuple[int, int]:
    if padding == "same":
        out = -(-size // stride)
        total = max((out - 1) * stride + reach - size, 0)
        return total // 2, total - total // 2
    if padding == "causal":
        return reach - 1, 0
    if padding == "valid":
        return 0, 0
    raise Unlowerable(f"its padding is '{padding}'")
