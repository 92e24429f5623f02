"""Models exported for one batch size learn to take any.

Exporters write the size into operands: Reshape targets, Resize sizes and constants that are
joined with data. The batch is the outermost axis, so that "copy the axis" (0) or "whatever
is left" (-1) say the same for any size.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from prunus.formats.onnx_fold import (
    Shapes,
    measured_shape,
    operand_of,
    set_operand,
    static_shapes,
)

FREE = "N"
"""Name of the symbolic batch axis."""


def free_batch(model: ir.Model) -> None:
    """Rewrite what holds the fixed batch of the inputs (``meta["batch"]``), in place."""
    sizes = [value.meta.get("batch") for value in model.graph.inputs]
    fixed = {int(size) for size in sizes if size is not None}
    if not fixed:
        return
    batch = min(fixed)
    before = static_shapes(model, batch)
    for node in list(model.graph):
        if node.op_type == "Reshape":
            _free_reshape(model, node, before, batch)
        elif node.op_type == "Resize":
            _free_resize(model, node, before, batch)
        elif node.op_type == "Concat":
            _free_concat(model, node, before)
    for value in model.graph.outputs:
        if value.shape is not None and len(value.shape) and value.shape[0] == batch:
            value.shape = ir.Shape([FREE, *value.shape[1:]])


def _free_reshape(model: ir.Model, node: ir.Node, shapes: Shapes, batch: int) -> None:
    target = operand_of(node, 1)
    data = shapes.get(node.inputs[0].name or "") if node.inputs[0] is not None else None
    if target is None or not len(target) or data is None or target[0] in (0, -1):
        return
    if target[0] == batch and data[:1] == (batch,):
        set_operand(model, node, 1, np.r_[0, target[1:]].astype(np.int64))
        return
    output = shapes.get(node.outputs[0].name or "")
    # the batch was folded into another axis, or comes out of one
    if output is not None and (target[0] == batch or (target > 0).all()):
        set_operand(model, node, 1, np.r_[-1, output[1:]].astype(np.int64))


def _free_resize(model: ir.Model, node: ir.Node, shapes: Shapes, batch: int) -> None:
    sizes = operand_of(node, 3)
    data = node.inputs[0]
    shape = shapes.get(data.name or "") if data is not None else None
    whole = node.attributes.get("axes") is None
    if data is None or sizes is None or shape is None or not whole or sizes[0] != batch:
        return
    if len(shape) != len(sizes) or tuple(sizes[:2]) != shape[:2]:
        return
    scales = (sizes / np.array(shape)).astype(np.float32)
    if ((np.array(shape, np.float32) * scales).astype(np.int64) == sizes).all():
        set_operand(model, node, 2, scales)
        node.replace_input_with(3, None)
        return
    _measured_sizes(model, node, data, sizes)


def _free_concat(model: ir.Model, node: ir.Node, shapes: Shapes) -> None:
    """A constant part (a class token, coordinates) is one for every sample."""
    data = next((v for v in node.inputs if v is not None and v.const_value is None), None)
    shape = shapes.get(data.name or "") if data is not None else None
    if data is None or shape is None or node.attributes.get_int("axis", 0) % len(shape) == 0:
        return
    for index, value in enumerate(node.inputs):
        array = None if value is None or value.const_value is None else value.const_value.numpy()
        if array is None or (array != array[:1]).any():
            continue
        name = f"{node.name}/part{index}"
        target = measured_shape(model, node, data, 1, np.ones(len(shape) - 1, np.int64), name)
        whole = ir.Value(name=name, type=value.type if value is not None else None)
        expand = ir.Node("", "Expand", [value, target], name=name, outputs=[whole])
        set_operand(model, expand, 0, array[:1])
        model.graph.insert_before(node, expand)
        node.replace_input_with(index, whole)


def _measured_sizes(model: ir.Model, node: ir.Node, data: ir.Value, sizes: NDArray[Any]) -> None:
    """No float gives these sizes exactly: batch and channels are read off the data instead."""
    rest = sizes[2:].astype(np.int64)
    node.replace_input_with(3, measured_shape(model, node, data, 2, rest, f"{node.name}/sizes"))
