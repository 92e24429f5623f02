"""Inputs of a graph that samples feed, and the shape of one sample."""

from __future__ import annotations

import onnx_ir as ir

_MOVES = frozenset(["Cast", "Identity", "Reshape", "Slice", "Squeeze", "Transpose", "Unsqueeze"])
"""Operators that give the numbers of their first input."""


def sample_inputs(model: ir.Model) -> list[ir.Value]:
    """Graph inputs without the ones that are weights (files of IR version 3 list those too)."""
    graph = model.graph
    return [value for value in graph.inputs if value.name not in graph.initializers]


def sample_shape(value: ir.Value) -> tuple[int, ...]:
    """Shape of one sample of a graph input: all axes but the first."""
    assert value.shape is not None
    return tuple(int(str(size)) for size in value.shape[1:])


def rows_read(value: ir.Value) -> int | None:
    """Rows of the smallest table whose rows a value chooses, by way of operators that move numbers.

    Returns:
        ``None`` where it chooses none.
    """
    found = [_rows_of(use.node, use.idx) for use in value.uses()]
    return min((rows for rows in found if rows is not None), default=None)


def _rows_of(node: ir.Node, place: int) -> int | None:
    if node.op_type in _MOVES and place == 0:
        return rows_read(node.outputs[0])
    if node.op_type != "Gather" or place != 1:
        return None
    table, axis = node.inputs[0], node.attributes.get_int("axis", 0)
    if table is None or table.shape is None:
        return None
    size = table.shape[axis]
    return size if isinstance(size, int) else None
