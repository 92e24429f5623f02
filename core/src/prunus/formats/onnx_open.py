"""Sizes a file leaves open stay open in the file that is written.

The neutral graph is made for one size, and what the exporter computes from sizes is constant in
it. The file is written from a graph in which only that is constant which is so for two sizes.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import attrs
import numpy as np
import onnx_ir as ir
from onnx_ir.passes.common import RemoveUnusedNodesPass

from prunus.formats.onnx_fold import Array, add_initializer, set_operand

Sizes = Mapping[str, tuple[int | ir.SymbolicDim, ...]]


@attrs.frozen(eq=False)
class Origin:
    """Data beside the neutral graph for writing an ``.onnx`` file.

    Attributes:
        path: The file that was read.
        graph: Its graph with open sizes; ``None`` where all sizes are fixed.
        sizes: Input name -> sizes as the file has them, batch first.
    """

    path: Path
    graph: ir.Model | None = None
    sizes: Sizes = attrs.field(factory=dict)


def opened(origin: Origin, neutral: ir.Model, written: ir.Model) -> ir.Model:
    """The graph to write: open sizes, with the weights and channels of ``written``.

    Args:
        origin: Where the network was read from.
        neutral: Its neutral graph.
        written: The same, masked or compact: names are equal.
    """
    if origin.graph is None:
        return written
    model = origin.graph.clone()
    before = {node.name: node for node in neutral.graph}
    after = {node.name: node for node in written.graph}
    for name, value in model.graph.initializers.items():
        known = written.graph.initializers.get(name)
        if known is not None and known.const_value is not None:
            value.const_value, value.shape = known.const_value, known.shape
    for node in list(model.graph):
        if node.name in after and after[node.name].op_type == node.op_type:
            _follow(model, node, before[node.name], after[node.name])
    for value in model.graph.inputs:
        value.shape = ir.Shape([*value.shape[:1], *origin.sizes[value.name or ""][1:]])  # type: ignore[index]
    return RemoveUnusedNodesPass()(model).model


def _follow(model: ir.Model, node: ir.Node, before: ir.Node, after: ir.Node) -> None:
    """Give a node the attributes of its compact form, and the operands that changed with it."""
    for attribute in after.attributes.values():
        if attribute.type != ir.AttributeType.GRAPH:
            node.attributes[attribute.name] = attribute
    for index, (old, new) in enumerate(zip(before.inputs, after.inputs, strict=True)):
        if old is None or new is None or old.const_value is None or new.const_value is None:
            continue
        first, second = old.const_value.numpy(), new.const_value.numpy()
        mine = node.inputs[index] if index < len(node.inputs) else None
        if mine is not None and mine.const_value is not None:
            if mine.name != new.name:
                set_operand(model, node, index, second)
        elif not np.array_equal(first, second):
            if mine is None or first.shape != second.shape:
                node.resize_inputs(max(index + 1, len(node.inputs)))
                set_operand(model, node, index, second)
            else:
                _patch(model, node, index, first != second, second)


def _patch(model: ir.Model, node: ir.Node, index: int, changed: Array, array: Array) -> None:
    """Channels of a computed operand become constants; its other numbers stay computed."""
    name = f"{node.name}/kept{index}"
    kept = ir.Value(name=name, type=ir.TensorType(ir.DataType.from_numpy(array.dtype)))
    choose = ir.Node("", "Where", [None, None, node.inputs[index]], name=name, outputs=[kept])
    for position, constant in enumerate((changed, array)):
        value = add_initializer(model, f"{name}/{position}", constant)
        choose.replace_input_with(position, value)
    model.graph.insert_before(node, choose)
    node.replace_input_with(index, kept)
