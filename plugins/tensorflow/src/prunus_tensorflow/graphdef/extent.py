"""How many numbers a constant part of a graph makes, before it is computed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil, prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prunus_tensorflow.graphdef.attributes import attr

_FREE = 1 << 24
"""Numbers that may always be made; above that, no more than the largest input holds."""

Arrays = Sequence[NDArray[Any]]


def check_extent(node: Any, arrays: Arrays) -> None:
    """Refuse a computation that makes many numbers of few.

    Raises:
        ValueError: it does.
    """
    count = _COUNTS.get(node.op, _broadcast)(node, arrays)
    if count > max(_FREE, *(array.size for array in arrays)):
        raise ValueError(f"it makes {count} numbers")


def _broadcast(node: Any, arrays: Arrays) -> int:
    """Elementwise operators; nothing for the others, whose inputs may not fit each other."""
    try:
        return prod(np.broadcast_shapes(*(array.shape for array in arrays)))
    except ValueError:
        return 0


def _matmul(node: Any, arrays: Arrays) -> int:
    left, right = (array.shape for array in arrays)
    rows = left[-1 if attr(node, "transpose_a").b else 0]
    return int(rows * right[0 if attr(node, "transpose_b").b else -1])


def _range(node: Any, arrays: Arrays) -> int:
    start, end, step = (float(array.item()) for array in arrays)
    return max(0, ceil((end - start) / step))


_COUNTS: dict[str, Callable[[Any, Arrays], int]] = {
    **dict.fromkeys(("Reshape", "Slice", "StridedSlice", "Split"), lambda node, a: 0),
    **dict.fromkeys(("Prod", "Sum", "Mean", "Max", "Min", "Transpose"), lambda node, a: 0),
    **dict.fromkeys(("Pack", "ConcatV2", "Concat"), lambda node, a: sum(one.size for one in a)),
    **dict.fromkeys(("Gather", "GatherV2"), lambda node, a: a[1].size * a[0].size),
    "Fill": lambda node, a: prod(int(n) for n in a[0]),
    "Tile": lambda node, a: a[0].size * prod(int(n) for n in a[1]),
    "Range": _range,
    "MatMul": _matmul,
}
