"""Constant first states of recurrent layers: one for each exported sample becomes one for any.

Layouts are those of the ONNX operators: states ``(directions, batch, hidden)``, and
``(batch, directions, hidden)`` with ``layout = 1``; lengths ``(batch,)``.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx_ir as ir

from prunus.errors import ModelError
from prunus.formats.onnx_fold import Array, first_sizes, operand_of, set_operand

_RECURRENT = ("LSTM", "GRU", "RNN")

_LENGTHS, _STATES = 4, (5, 6)
"""Operands of all three operators; an LSTM alone has the second state."""


def free_states(path: Path, model: ir.Model) -> None:
    """Rewrite constant states and lengths of recurrent layers for any batch, in place.

    Raises:
        ModelError: the samples of the exported batch start from different states.
    """
    for node in list(model.graph):
        if node.op_type not in _RECURRENT or node.domain not in ("", "ai.onnx"):
            continue
        states_axis = 0 if node.attributes.get_int("layout", 0) else 1
        for index, axis in ((_LENGTHS, 0), *((index, states_axis) for index in _STATES)):
            array = operand_of(node, index)
            if array is None or array.ndim <= axis:
                continue
            one = array.take([0], axis)
            if (array != one).any():
                raise ModelError(
                    f"{path}: layer '{node.name}' starts each of the {array.shape[axis]} exported "
                    "samples from a state of its own; export the model with a batch of one"
                )
            if index in _STATES and not one.any():
                node.replace_input_with(index, None)  # zeros are what it starts from by itself
            else:
                _repeat(model, node, index, one, axis)


def _repeat(model: ir.Model, node: ir.Node, index: int, one: Array, axis: int) -> None:
    """Expand one sample's state to the samples of the data, whose number is read off it."""
    data = node.inputs[0]
    assert data is not None
    where = 0 if node.attributes.get_int("layout", 0) else 1
    name = f"{node.name}/state{index}"
    count = first_sizes(model, node, data, (where, where + 1), name)
    target, whole = (ir.Value(name=f"{name}/{part}") for part in ("shape", "all"))
    parts: list[ir.Value | None] = [count] * one.ndim
    first = ir.convenience.convert_attributes({"axis": 0})
    joined = ir.Node("", "Concat", parts, first, name=f"{name}/shape", outputs=[target])
    for position in range(one.ndim):
        if position != axis:
            set_operand(model, joined, position, np.array([1], np.int64))
    expand = ir.Node("", "Expand", [None, target], name=name, outputs=[whole])
    set_operand(model, expand, 0, one)
    model.graph.insert_before(node, [joined, expand])
    node.replace_input_with(index, whole)
