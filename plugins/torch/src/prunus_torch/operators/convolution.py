"""Conv and ConvTranspose in one to three dimensions.

Semantics: onnx.ai/onnx/operators/onnx__Conv.html, onnx__ConvTranspose.html.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor
from torch.nn import functional

from prunus_torch.operators.node import Builder, Node, Operation, pairs, torch_pads

_CONV = {1: functional.conv1d, 2: functional.conv2d, 3: functional.conv3d}
_TRANSPOSED = {
    1: functional.conv_transpose1d,
    2: functional.conv_transpose2d,
    3: functional.conv_transpose3d,
}

Sides = list[tuple[int, int]]


def same_sides(
    size: Sequence[int],
    kernel: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
    lower: bool,
) -> Sides:
    """Padding of ``auto_pad = SAME_*``: output size is ceil(input / stride)."""
    sides = []
    for n, k, s, d in zip(size, kernel, strides, dilations, strict=True):
        total = max(0, (-(-n // s) - 1) * s + (k - 1) * d + 1 - n)
        small, large = total // 2, total - total // 2
        sides.append((large, small) if lower else (small, large))
    return sides


def skips_points(weight: Tensor, strides: Sequence[int]) -> bool:
    """Whether a kernel of size 1 leaves points out: such a stride is never given to torch.

    oneDNN gathers the points it needs in a buffer that is too small where channels lie last
    and are fewer than a vector holds (8 with AVX2, 16 with AVX-512): the weight gradient writes
    past it. Seen in oneDNN 3.12 of torch 2.13; github.com/uxlfoundation/oneDNN/issues/6035.
    """
    return math.prod(weight.shape[2:]) == 1 and math.prod(strides) > 1


def _conv(node: Node) -> Operation:
    mode = node.get("auto_pad", "NOTSET")
    group = node.get("group", 1)
    given = node.get("pads")

    def run(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        rank = x.ndim - 2
        strides = tuple(node.get("strides") or (1,) * rank)
        dilations = tuple(node.get("dilations") or (1,) * rank)
        if mode in ("SAME_UPPER", "SAME_LOWER"):
            lower = mode == "SAME_LOWER"
            sides = same_sides(x.shape[2:], weight.shape[2:], strides, dilations, lower)
        else:
            sides = pairs(tuple(given)) if given and mode == "NOTSET" else [(0, 0)] * rank
        skips = skips_points(weight, strides)
        if skips or any(begin != end for begin, end in sides):
            x, padding = functional.pad(x, torch_pads(sides)), (0,) * rank
        else:
            padding = tuple(begin for begin, _ in sides)
        if skips:
            points = [slice(None, None, step) for step in (1, 1, *strides)]
            x, strides = x[tuple(points)], (1,) * rank
        return _CONV[rank](x, weight, bias, strides, padding, dilations, group)

    return run


def _conv_transpose(node: Node) -> Operation:
    group = node.get("group", 1)

    def run(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        rank = x.ndim - 2
        strides = tuple(node.get("strides") or (1,) * rank)
        dilations = tuple(node.get("dilations") or (1,) * rank)
        extra = tuple(node.get("output_padding") or (0,) * rank)
        spatial = zip(x.shape[2:], weight.shape[2:], strides, dilations, extra, strict=True)
        full = [(n - 1) * s + (k - 1) * d + 1 + e for n, k, s, d, e in spatial]
        sides = _transposed_sides(node, x, full, strides)
        skips = skips_points(weight, strides)
        even = all(begin == end for begin, end in sides) and not skips
        padding = tuple(begin for begin, _ in sides) if even else (0,) * rank
        if skips:
            y = _spread(_TRANSPOSED[rank](x, weight, groups=group), full, strides, bias)
        else:
            y = _TRANSPOSED[rank](x, weight, bias, strides, padding, extra, group, dilations)
        return y if even else functional.pad(y, [-size for size in torch_pads(sides)])

    return run


def _spread(y: Tensor, full: list[int], strides: Sequence[int], bias: Tensor | None) -> Tensor:
    """Points ``strides`` apart in zeros ``(N, C, *full)``, plus the bias ``(C,)``."""
    sizes = zip(y.shape, (1, 1, *strides), strict=True)
    spread = y.new_zeros((*y.shape[:2], *full))
    spread[tuple(slice(0, (n - 1) * step + 1, step) for n, step in sizes)] = y
    return spread if bias is None else spread + bias.reshape(-1, *(1,) * len(full))


def _transposed_sides(node: Node, x: Tensor, full: list[int], strides: Sequence[int]) -> Sides:
    """Sizes cut off the full output on each side."""
    mode = node.get("auto_pad", "NOTSET")
    wanted = node.get("output_shape")
    rank = len(full)
    if wanted is None and mode in ("SAME_UPPER", "SAME_LOWER"):
        wanted = [n * s for n, s in zip(x.shape[2:], strides, strict=True)]
    if wanted is None:
        given = node.get("pads")
        return pairs(tuple(given)) if given and mode == "NOTSET" else [(0, 0)] * rank
    sides = []
    for have, want in zip(full, list(wanted)[-rank:], strict=True):
        total = max(0, have - int(want))
        small, large = total // 2, total - total // 2
        sides.append((small, large) if mode == "SAME_UPPER" else (large, small))
    return sides


BUILDERS: dict[str, Builder] = {"Conv": _conv, "ConvTranspose": _conv_transpose}
