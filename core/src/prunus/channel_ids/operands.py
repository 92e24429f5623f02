"""Constant operands that speak of channel numbers, rewritten for the compact graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

if TYPE_CHECKING:
    from prunus.channel_ids.shrinking import Shrinker

Operand = NDArray[Any]


def adapted(node: ir.Node, index: int, stored: Operand, shrinker: Shrinker) -> Operand:
    """Operand ``index`` of a node as the compact graph needs it."""
    rule = _RULES.get((node.op_type, index))
    return stored if rule is None else rule(node, stored, shrinker)


def _split_sizes(node: ir.Node, stored: Operand, shrinker: Shrinker) -> Operand:
    ends = np.cumsum(stored)
    found = shrinker.kept_before(node.inputs[0], node.attributes.get_int("axis", 0), ends)
    return stored if found is None else np.diff(found, prepend=0).astype(stored.dtype)


def _bounds(node: ir.Node, stored: Operand, shrinker: Shrinker) -> Operand:
    """Slice starts and ends: positions become counts of kept channels before them."""
    data = node.inputs[0]
    assert data is not None
    shape = shrinker.original(data)
    axes = node.inputs[3].const_value if len(node.inputs) > 3 and node.inputs[3] else None
    chosen = range(len(stored)) if axes is None else axes.numpy().tolist()
    bounds = stored.copy()
    for position, axis in enumerate(chosen):
        size = shape[axis % len(shape)]
        bound = int(stored[position])
        bound = min(max(bound + size if bound < 0 else bound, 0), size)
        found = shrinker.kept_before(data, axis % len(shape), np.array([bound, size]))
        if found is not None and found[1] < size:
            bounds[position] = found[0]
    return bounds


def _gather_indices(node: ir.Node, stored: Operand, shrinker: Shrinker) -> Operand:
    data = node.inputs[0]
    assert data is not None
    axis = node.attributes.get_int("axis", 0) % len(shrinker.original(data))
    kept = shrinker.kept_along(data, axis)
    if kept is None or kept.all():
        return stored
    after = np.cumsum(kept) - 1
    indices = stored % len(kept)
    return np.asarray(after[indices][kept[indices]], stored.dtype)


def _pads(node: ir.Node, stored: Operand, shrinker: Shrinker) -> Operand:
    kept = shrinker.kept_along(node.outputs[0], 1)
    if kept is None or kept.all() or len(node.inputs) > 3:
        return stored
    rank = len(stored) // 2
    if not stored[1] and not stored[1 + rank]:
        return stored
    pads = stored.copy()
    pads[1] = shrinker.slot_kept(node, 0)
    pads[1 + rank] = shrinker.slot_kept(node, 1)
    return pads


def _target(node: ir.Node, stored: Operand, shrinker: Shrinker) -> Operand:
    """Reshape, Expand, Resize sizes: the output's new dimensions where channels went."""
    dims = shrinker.dims(node.outputs[0])
    before = shrinker.original(node.outputs[0])
    target = stored.copy()
    offset = len(dims) - len(stored)
    for axis in range(len(stored)):
        if dims[axis + offset] != before[axis + offset] and stored[axis] > 0:
            target[axis] = dims[axis + offset]
    return target


_RULES: dict[tuple[str, int], Callable[[ir.Node, Operand, Shrinker], Operand]] = {
    ("Split", 1): _split_sizes,
    ("Slice", 1): _bounds,
    ("Slice", 2): _bounds,
    ("Gather", 1): _gather_indices,
    ("Pad", 1): _pads,
    ("Reshape", 1): _target,
    ("Expand", 1): _target,
    ("Resize", 3): _target,
    ("MaxUnpool", 2): _target,
}
