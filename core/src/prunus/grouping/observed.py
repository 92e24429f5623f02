"""A graph cut behind the weights that make channels, run to see what becomes of given numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from prunus.channel_ids.labelling import Labelling
from prunus.evaluation.session import Array, Session, drop_unused

_TOTAL = "/total"
_AXES_OPERAND = 13
"""Opset from which ReduceSum takes its axes as an operand."""

_ENDLESS = 1e30
"""A number that sums may make infinite."""


def totals(
    model: ir.Model,
    labelling: Labelling,
    resting: NDArray[np.bool_],
) -> Mapping[str, Array]:
    """Value name -> sum of its sizes by channel id, in the graph's order; infinities stay.

    Args:
        model: The graph; it is changed.
        labelling: Its channel ids.
        resting: ``(L,)`` channel ids whose values are looked at. They are at rest: their weights
            are zero, a bias may be left. The others are ordinary numbers.

    Raises:
        ModelError: the graph does not run for one sample.
    """
    feed = _cut(model, labelling, resting)
    _bound(model)
    examined = _examine(model, labelling, resting)
    found = Session(model, samples=1).run({**_drawn(model, labelling), **feed})
    return {name: found[name + _TOTAL] for name in examined}


def _bound(model: ir.Model) -> None:
    """Let constants as good as infinite, of masks, be zero, in place: they are always there."""
    for name, value in model.graph.initializers.items():
        tensor = value.const_value
        if tensor is None or tensor.dtype not in (ir.DataType.FLOAT, ir.DataType.DOUBLE):
            continue
        array = tensor.numpy()
        if array.size and not np.abs(array).max() < _ENDLESS:
            changed = np.where(np.abs(array) < _ENDLESS, array, 0).astype(array.dtype)
            value.const_value = ir.Tensor(changed, name=name)


def _cut(model: ir.Model, labelling: Labelling, resting: NDArray[np.bool_]) -> dict[str, Array]:
    """Inputs instead of the outputs of weights, in place; their numbers, one a channel."""
    draw = np.random.default_rng(0)
    made = {record.node for record in labelling.records if record.role == "filter"}
    feed: dict[str, Array] = {}
    for node in [node for node in model.graph if node.name in made]:
        value = node.outputs[0]
        name = value.name or ""
        labels = labelling.values[name]
        bias = node.inputs[2] if len(node.inputs) > 2 else None
        left = np.zeros(1) if bias is None or bias.const_value is None else bias.const_value.numpy()
        left = left.reshape(labels.shape) if left.size == labels.size else left.ravel()[:1]
        others = draw.uniform(0.5, 1.5, labels.shape)
        feed[f"{name}/made"] = np.where(resting[labels], left, others).astype(np.float32)
        _replace(model.graph, node, labels.shape, labelling.dims[name])
    return feed


def _replace(graph: ir.Graph, node: ir.Node, shape: tuple[int, ...], dims: tuple[int, ...]) -> None:
    """Give a node's output from an input of the smallest shape, broadcast; no weight is read."""
    value = node.outputs[0]
    name = value.name or ""
    kind = ir.TensorType(ir.DataType.FLOAT)
    given = ir.Value(name=f"{name}/made", shape=ir.Shape(shape), type=kind)
    target = _constant(graph, f"{name}/made_dims", dims)
    value.name = f"{name}/cut"
    whole = ir.Value(name=name, type=kind)
    expand = ir.Node("", "Expand", [given, target], name=f"{name}/expand", outputs=[whole])
    graph.inputs.append(given)
    graph.insert_after(node, expand)
    ir.convenience.replace_all_uses_with(value, whole, replace_graph_outputs=True)


def _examine(model: ir.Model, labelling: Labelling, resting: NDArray[np.bool_]) -> list[str]:
    """Let a graph return sums of every value's sizes by channel id, in place; the values."""
    graph = model.graph
    operand = model.opset_imports.get("", 0) >= _AXES_OPERAND
    examined = []
    totals = []
    for node in list(graph):
        for value in node.outputs:
            labels = labelling.values.get(value.name or "")
            if labels is None or not resting[labels].any() or node.op_type == "Expand":
                continue
            examined.append(value.name or "")
            totals.append(_total(graph, value, labels.shape, operand=operand))
    graph.outputs.clear()
    graph.outputs.extend(totals)
    drop_unused(model)
    return examined


def _total(graph: ir.Graph, value: ir.Value, shape: tuple[int, ...], *, operand: bool) -> ir.Value:
    """The sum of |x| over the axes the channel ids of x do not vary on; infinities stay."""
    name = f"{value.name}{_TOTAL}"
    number = ir.Node(
        "", "Cast", [value], [ir.AttrInt64("to", ir.DataType.FLOAT)], name=f"{name}/cast"
    )
    number.outputs[0].name = f"{name}/number"
    size = ir.Node("", "Abs", [number.outputs[0]], name=f"{name}/size")
    size.outputs[0].name = f"{name}/size"
    axes = [axis for axis, size in enumerate(shape) if size == 1]
    inputs, attributes = [size.outputs[0]], []
    if operand:
        inputs.append(_constant(graph, f"{name}/axes", axes))
        attributes.append(ir.AttrInt64("noop_with_empty_axes", 1))
    elif axes:
        attributes.append(ir.AttrInt64s("axes", axes))
    kind = "ReduceSum" if operand or axes else "Identity"
    total = ir.Value(name=name, type=ir.TensorType(ir.DataType.FLOAT))
    graph.extend([number, size, ir.Node("", kind, inputs, attributes, name=name, outputs=[total])])
    return total


def _constant(graph: ir.Graph, name: str, numbers: Sequence[int]) -> ir.Value:
    tensor = ir.Tensor(np.array(numbers, np.int64), name=name)
    value = ir.Value(
        name=name, const_value=tensor, shape=tensor.shape, type=ir.TensorType(tensor.dtype)
    )
    graph.register_initializer(value)
    return value


def _drawn(model: ir.Model, labelling: Labelling) -> dict[str, Array]:
    """One sample for every input of the graph that was there before."""
    draw = np.random.default_rng(0)
    return {
        value.name or "": draw.standard_normal(labelling.dims[value.name or ""]).astype(
            value.dtype.numpy() if value.dtype is not None else np.float32
        )
        for value in model.graph.inputs
        if value.name in labelling.dims and value.name not in model.graph.initializers
    }
