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

from prunus.formats.onnx_fold import measured_shape, operand_of, set_operand, static_shapes
from prunus.graph.shapes import Shapes

FREE = "N"
"""Name of the symbolic batch axis."""

_BROADCASTING = frozenset("Add Sub Mul Div Pow Max Min Sum Mean Where And Or Equal MatMul".split())


def forget_shapes(model: ir.Model) -> None:
    """Drop the stored shapes of everything that is computed, in place.

    They hold the exported batch and the sizes of whole layers; what is known is inferred anew.
    Weights have the shape of their numbers, whatever else is stated about them.
    """
    for value in model.graph.initializers.values():
        if value.const_value is not None:
            value.shape = ir.Shape(value.const_value.shape.numpy())
    for value in model.graph.outputs:
        value.meta["declared"] = value.shape
    for node in model.graph.all_nodes():
        for value in node.outputs:
            value.shape = None
    for graph in model.graph.subgraphs():
        for value in graph.inputs:
            value.shape = None


def state_output_shapes(model: ir.Model, stretch: int = 1) -> None:
    """Give the outputs the shapes that follow from the inputs, the batch free, in place.

    With ``stretch``, sizes that follow from open ones are left open.
    """
    one, other = static_shapes(model, 2), static_shapes(model, 3, stretch)
    for value in model.graph.outputs:
        first, second = (shapes.get(value.name or "") for shapes in (one, other))
        if value.is_graph_input():
            continue
        if first is not None and second is not None:
            sizes = [a if a == b else None for a, b in zip(first, second, strict=True)]
            leads = bool(sizes) and (first[0], second[0]) == (2, 3)
            value.shape = ir.Shape([FREE, *sizes[1:]] if leads else sizes)
        elif value.meta.get("declared"):  # OpenCV wants as many axes as there are
            value.shape = ir.Shape([None] * len(value.meta["declared"]))


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
        elif node.op_type == "Expand":
            _free_expand(model, node, before, batch)
        elif node.op_type == "MaxUnpool":
            _free_unpool(model, node, before, batch)
        elif node.op_type in _BROADCASTING and batch > 1:
            _free_constant(model, node, before, batch)


def _free_reshape(model: ir.Model, node: ir.Node, shapes: Shapes, batch: int) -> None:
    target = operand_of(node, 1)
    data = shapes.get(node.inputs[0].name or "") if node.inputs[0] is not None else None
    if target is None or not len(target) or data is None or target[0] in (0, -1):
        return
    if target[0] == batch and data[:1] == (batch,):
        node.attributes.pop("allowzero", None)  # here 0 means "as in the data"
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
    # no float gives these sizes exactly
    _measured_sizes(model, node, 3, data, sizes)


def _free_expand(model: ir.Model, node: ir.Node, shapes: Shapes, batch: int) -> None:
    target = operand_of(node, 1)
    data = shapes.get(node.inputs[0].name or "") if node.inputs[0] is not None else None
    if target is None or data is None or len(target) != len(data):
        return
    if target[0] == data[0] == batch:
        set_operand(model, node, 1, np.r_[1, target[1:]].astype(np.int64))


def _free_unpool(model: ir.Model, node: ir.Node, shapes: Shapes, batch: int) -> None:
    """Sizes that follow from the window are dropped, others read the batch off the data."""
    sizes, data = operand_of(node, 2), node.inputs[0]
    known = None if data is None else shapes.get(data.name or "")
    if sizes is None or data is None or known is None or sizes[0] != batch:
        return
    kernel = np.array(node.attributes.get_ints("kernel_shape"))
    strides = np.array(node.attributes.get_ints("strides", [1] * len(kernel)))
    pads = np.array(node.attributes.get_ints("pads", [0] * 2 * len(kernel))).reshape(2, -1).sum(0)
    if np.array_equal((np.array(known[2:]) - 1) * strides + kernel - pads, sizes[2:]):
        node.replace_input_with(2, None)
    else:
        _measured_sizes(model, node, 2, data, sizes)


def _free_constant(model: ir.Model, node: ir.Node, shapes: Shapes, batch: int) -> None:
    """A constant that repeats one sample for each of the batch is stored once and broadcast."""
    output = shapes.get(node.outputs[0].name or "", ())
    for index in range(len(node.inputs)):
        array = operand_of(node, index)
        if array is None or array.ndim != len(output) or output[:1] != (batch,):
            continue
        if len(array) == batch and (array == array[:1]).all():
            set_operand(model, node, index, array[:1])


def measure_resizes(model: ir.Model) -> None:
    """Computed sizes of a Resize read batch and channels off its data, in place.

    Exporters compute height and width and write the channels beside them as a number.
    """
    shapes = static_shapes(model, 1)
    for node in list(model.graph):
        if node.op_type != "Resize" or len(node.inputs) < 4:
            continue
        data, sizes = node.inputs[0], node.inputs[3]
        if sizes is None or data is None or sizes.const_value is not None or _measured(sizes):
            continue
        ends = [shapes.get(value.name or "", (0, 0))[:2] for value in (data, node.outputs[0])]
        if node.attributes.get("axes") is not None or ends[0] != ends[1]:
            continue
        name = f"{node.name}/sizes"
        rest = ir.Value(name=f"{name}/rest", type=sizes.type)
        part = ir.Node("", "Slice", [sizes, None, None], name=f"{name}/rest", outputs=[rest])
        set_operand(model, part, 1, np.array([2], np.int64))
        set_operand(model, part, 2, np.array([np.iinfo(np.int64).max], np.int64))
        whole = measured_shape(model, node, data, 2, np.zeros(0, np.int64), name)
        joined = whole.producer()
        assert joined is not None
        model.graph.insert_before(joined, part)
        joined.replace_input_with(1, rest)
        node.replace_input_with(3, whole)


def _measured(sizes: ir.Value) -> bool:
    """Whether sizes begin with those of some data already."""
    for operator in ("Concat", "Slice", "Shape"):
        maker = sizes.producer()
        if maker is None or maker.op_type != operator or maker.inputs[0] is None:
            return False
        sizes = maker.inputs[0]
    return True


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


def _measured_sizes(
    model: ir.Model, node: ir.Node, index: int, data: ir.Value, sizes: NDArray[Any]
) -> None:
    """Batch and channels of a size operand are read off the data instead."""
    rest = sizes[2:].astype(np.int64)
    name = f"{node.name}/sizes"
    node.replace_input_with(index, measured_shape(model, node, data, 2, rest, name))
