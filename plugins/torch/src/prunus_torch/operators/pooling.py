"""MaxPool, AveragePool and the global pools.

Torch allows at most half a window of padding and the same on both sides; everything
else is padded here first. In ceil mode a last window that would start behind input
and begin padding is left out, as ONNX Runtime and torch do.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import torch
from torch import Tensor
from torch.nn import functional

from prunus_torch.operators.convolution import Sides, same_sides
from prunus_torch.operators.node import Builder, Node, Operation, pairs, plain, torch_pads

_MAX = {1: functional.max_pool1d, 2: functional.max_pool2d, 3: functional.max_pool3d}
_AVERAGE = {1: functional.avg_pool1d, 2: functional.avg_pool2d, 3: functional.avg_pool3d}


@attrs.frozen
class Window:
    """Attributes every pool has.

    Attributes:
        kernel, strides, dilations: One number a spatial axis.
        pads: (begin, end) a spatial axis, or ``None`` for ``auto_pad = SAME_*``.
        lower: ``SAME_LOWER``.
        ceil: Round the output size up.
    """

    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    pads: tuple[tuple[int, int], ...] | None
    lower: bool
    ceil: bool

    def sides(self, size: Sequence[int]) -> Sides:
        """(begin, end) padding the node asks for, of an input of this size."""
        if self.pads is not None:
            return list(self.pads)
        return same_sides(size, self.kernel, self.strides, self.dilations, self.lower)

    def reach(self, size: Sequence[int], sides: Sides) -> Sides:
        """(begin, end) padding with which plain pooling without rounding gives all windows.

        The end may be negative: what no window reads.
        """
        result = []
        for n, (begin, end), k, s, d in zip(
            size, sides, self.kernel, self.strides, self.dilations, strict=True
        ):
            extent = (k - 1) * d + 1
            room = n + begin + end - extent
            count = (-(-room // s) if self.ceil else room // s) + 1
            if self.ceil and (count - 1) * s >= n + begin:
                count -= 1
            result.append((begin, (count - 1) * s + extent - n - begin))
        return result


def window_of(node: Node) -> Window:
    """Read the attributes of a pooling node."""
    kernel = tuple(node.get("kernel_shape"))
    mode = node.get("auto_pad", "NOTSET")
    given = node.get("pads")
    pads: tuple[tuple[int, int], ...] | None = None
    if mode not in ("SAME_UPPER", "SAME_LOWER"):
        pads = tuple(pairs(tuple(given))) if given and mode == "NOTSET" else ((0, 0),) * len(kernel)
    return Window(
        kernel,
        tuple(node.get("strides") or (1,) * len(kernel)),
        tuple(node.get("dilations") or (1,) * len(kernel)),
        pads,
        mode == "SAME_LOWER",
        bool(node.get("ceil_mode", 0)),
    )


def _max_pool(node: Node) -> Operation:
    if node.outputs > 1:
        raise node.refuse("second output (Indices)")
    window = window_of(node)
    pool = _MAX[len(window.kernel)]

    def run(x: Tensor) -> Tensor:
        sides = window.reach(x.shape[2:], window.sides(x.shape[2:]))
        if any(begin or end > 0 for begin, end in sides):
            if _simple(sides, window):
                padding = tuple(begin for begin, _ in sides)
                return pool(x, window.kernel, window.strides, padding, window.dilations)
            x = functional.pad(x, torch_pads(sides), value=float("-inf"))
        return pool(x, window.kernel, window.strides, 0, window.dilations)

    return run


def _simple(sides: Sides, window: Window) -> bool:
    """Whether the same padding on both sides gives the same windows."""
    return all(
        2 * begin <= k and 0 <= begin - end < s
        for (begin, end), k, s in zip(sides, window.kernel, window.strides, strict=True)
    )


def _average_pool(node: Node) -> Operation:
    window = window_of(node)
    if any(d != 1 for d in window.dilations):
        raise node.refuse("dilated average pooling")
    pool = _AVERAGE[len(window.kernel)]
    count_pads = bool(node.get("count_include_pad", 0))
    corrections: dict[tuple[int, ...], Tensor] = {}

    def correction(size: tuple[int, ...], asked: Sides, sides: Sides, x: Tensor) -> Tensor:
        """The plain mean divides by the whole window; this mends it to what counts."""
        counted = torch.ones((1, 1, *size), dtype=x.dtype, device=x.device)
        if count_pads:
            both = zip(asked, sides, strict=True)
            inside = [(begin, min(end, have)) for (begin, end), (_, have) in both]
            counted = functional.pad(counted, torch_pads(inside), value=1.0)
            both = zip(inside, sides, strict=True)
            sides = [(0, have - end) for (_, end), (_, have) in both]
        return 1 / pool(functional.pad(counted, torch_pads(sides)), window.kernel, window.strides)

    def run(x: Tensor) -> Tensor:
        size = tuple(x.shape[2:])
        asked = window.sides(size)
        sides = window.reach(size, asked)
        if not any(begin or end > 0 for begin, end in sides):
            return pool(x, window.kernel, window.strides)
        if size not in corrections:
            corrections[size] = correction(size, asked, sides, x.detach())
        padded = functional.pad(x, torch_pads(sides))
        return pool(padded, window.kernel, window.strides) * corrections[size]

    return run


def _global_average(x: Tensor) -> Tensor:
    return x.mean(tuple(range(2, x.ndim)), keepdim=True)


def _global_max(x: Tensor) -> Tensor:
    return x.amax(tuple(range(2, x.ndim)), keepdim=True)


BUILDERS: dict[str, Builder] = {
    "AveragePool": _average_pool,
    "GlobalAveragePool": plain(_global_average),
    "GlobalMaxPool": plain(_global_max),
    "MaxPool": _max_pool,
}
