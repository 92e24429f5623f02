"""Values of removed channels at rest: where one is not finite, the channel stays.

A masked channel is zero where it is made, and its consumers' weights are zero. It contributes
nothing as long as a finite number arrives there: zero times infinity is no number. Operators
without a finite answer (1/x, log x, x/|x|) are found by running them: the graph is cut behind the
weights that make channels, every prunable channel is fed as its mask leaves it, and all values are
looked at.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from prunus.channel_ids.domain import ChannelIds
from prunus.channel_ids.labelling import Labelling
from prunus.errors import ModelError
from prunus.evaluation.session import Array, Session, drop_unused
from prunus.groups import Group
from prunus.masking import vectors_at_rest
from prunus.network import Network

_FINITE = frozenset(
    "Conv ConvTranspose Gemm MatMul Relu LeakyRelu PRelu Clip Sigmoid HardSigmoid HardSwish Tanh "
    "Elu Selu Celu Gelu Mish Softplus Softsign Abs Neg Exp Erf Sign Floor Ceil Round Identity Cast "
    "Dropout Add Sub Mul Max Min Sum Mean Where MaxPool AveragePool GlobalMaxPool "
    "GlobalAveragePool Resize Upsample BatchNormalization LRN Softmax LogSoftmax Concat Split "
    "Slice Gather Pad Reshape Flatten Squeeze Unsqueeze Transpose Expand Tile DepthToSpace "
    "SpaceToDepth ReduceMean ReduceSum ReduceMax ReduceMin Constant ConstantOfShape Shape".split()
)
"""Finite for finite inputs of ordinary size: a graph of these alone need not be run."""

_TOTAL = "/total"
_AXES_OPERAND = 13
"""Opset from which ReduceSum takes its axes as an operand."""


def not_finite(
    network: Network,
    labelling: Labelling,
    groups: Sequence[Group],
    units: Mapping[str, ChannelIds],
    layers: Mapping[str, str],
) -> dict[int, str]:
    """Representative channel id of a unit -> why it cannot be removed.

    Args:
        network: The network.
        labelling: Its channel ids.
        groups: What may be removed.
        units: Group name -> ``(C,)`` representative channel id of each unit.
        layers: Node name -> native layer name.
    """
    if not groups or all(node.op_type in _FINITE for node in network.model.graph):
        return {}
    removable = np.zeros(len(labelling.roots), bool)
    removable[np.concatenate([units[group.name] for group in groups])] = True
    removable = removable[labelling.roots]
    model = network.with_weights(vectors_at_rest(network, groups)).model
    feed = _cut(model, labelling, removable)
    examined = _examine(model, labelling, removable)
    try:
        found = Session(model, samples=1).run({**_drawn(model, labelling), **feed})
    except ModelError:
        return {}  # it does not run for one sample: the proof of the plan tells
    reasons: dict[int, str] = {}
    for name, node in examined.items():
        labels = labelling.values[name]
        bad = np.unique(labelling.roots[labels[~np.isfinite(found[name + _TOTAL])]])
        layer = layers.get(node.name or "", node.name)
        for root in bad[removable[bad]].tolist():
            reasons.setdefault(root, f"no finite number at '{layer}' ({node.op_type}) once removed")
    return reasons


def _cut(model: ir.Model, labelling: Labelling, removable: NDArray[np.bool_]) -> dict[str, Array]:
    """Inputs instead of the outputs of weights, in place; their numbers, one a channel.

    Prunable channels are at rest: their weights are zero, a bias may be left. Others are
    ordinary numbers.
    """
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
        feed[f"{name}/made"] = np.where(removable[labels], left, others).astype(np.float32)
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


def _examine(
    model: ir.Model, labelling: Labelling, removable: NDArray[np.bool_]
) -> dict[str, ir.Node]:
    """Let a graph return sums of every value by channel id, in place; value -> its node."""
    graph = model.graph
    operand = model.opset_imports.get("", 0) >= _AXES_OPERAND
    examined: dict[str, ir.Node] = {}
    totals = []
    for node in list(graph):
        for value in node.outputs:
            labels = labelling.values.get(value.name or "")
            if labels is None or not removable[labels].any() or node.op_type == "Expand":
                continue
            examined[value.name or ""] = node
            totals.append(_total(graph, value, labels.shape, operand=operand))
    graph.outputs.clear()
    graph.outputs.extend(totals)
    drop_unused(model)
    return examined


def _total(graph: ir.Graph, value: ir.Value, shape: tuple[int, ...], *, operand: bool) -> ir.Value:
    """The sum of a value over the axes its channel ids do not vary on; infinities stay."""
    name = f"{value.name}{_TOTAL}"
    number = ir.Node(
        "", "Cast", [value], [ir.AttrInt64("to", ir.DataType.FLOAT)], name=f"{name}/cast"
    )
    number.outputs[0].name = f"{name}/number"
    axes = [axis for axis, size in enumerate(shape) if size == 1]
    inputs, attributes = [number.outputs[0]], []
    if operand:
        inputs.append(_constant(graph, f"{name}/axes", axes))
        attributes.append(ir.AttrInt64("noop_with_empty_axes", 1))
    elif axes:
        attributes.append(ir.AttrInt64s("axes", axes))
    kind = "ReduceSum" if operand or axes else "Identity"
    total = ir.Value(name=name, type=ir.TensorType(ir.DataType.FLOAT))
    graph.extend([number, ir.Node("", kind, inputs, attributes, name=name, outputs=[total])])
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
