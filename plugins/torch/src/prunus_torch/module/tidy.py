"""What torch's exporter writes in a roundabout way, said directly."""

from __future__ import annotations

from collections.abc import Set

import numpy as np
import onnx_ir as ir

SCOPES = "pkg.torch.onnx.name_scopes"
"""Metadata of a node: the parts of the module it comes from, and the name of the call."""


def tidy(model: ir.Model, parameters: Set[str]) -> None:
    """Rewrite a graph in place; what it computes stays.

    Args:
        model: The exported graph, its constants folded.
        parameters: Initializers that are parameters of the module.
    """
    _drop_casts(model)
    _drop_zero_biases(model, parameters)
    for node in list(model.graph):
        if node.op_type == "Reshape":
            _turn_in_place(model, node)
            _leave_the_batch(model, node)
        elif node.op_type == "Split":
            _cut_in_rows(model, node)
        elif node.op_type == "Gather":
            _leave_the_layout(model, node)


def _drop_casts(model: ir.Model) -> None:
    """Casts between equal types, which keep a parameter from being seen as one."""
    for node in list(model.graph):
        if node.op_type not in ("Cast", "CastLike") or node.inputs[0] is None:
            continue
        before, after = node.inputs[0].dtype, _wanted(node)
        if before is not None and before == after and not node.outputs[0].is_graph_output():
            ir.convenience.replace_all_uses_with(node.outputs[0], node.inputs[0])
            model.graph.remove(node, safe=True)


def _wanted(node: ir.Node) -> ir.DataType | None:
    if node.op_type == "Cast":
        return ir.DataType(node.attributes.get_int("to", 0))
    like = node.inputs[1]
    return None if like is None else like.dtype


def _drop_zero_biases(model: ir.Model, parameters: Set[str]) -> None:
    """A convolution without a bias is given one of zeros: no parameter of the module."""
    for node in model.graph:
        bias = node.inputs[2] if len(node.inputs) > 2 else None
        if node.op_type not in ("Conv", "ConvTranspose") or bias is None:
            continue
        filled = bias.const_value
        if bias.name not in parameters and filled is not None and not filled.numpy().any():
            node.resize_inputs(2)


def _turn_in_place(model: ir.Model, node: ir.Node) -> None:
    """Keys of an attention ``(N, H, L, D)`` are turned by way of three axes; four do.

    Matched: Reshape to three axes, Transpose of the last two, Reshape to four again.
    """
    turn = _maker(node, "Transpose")
    flat = None if turn is None else _maker(turn, "Reshape")
    if turn is None or flat is None or flat.inputs[0] is None:
        return
    whole = flat.inputs[0].shape
    inner, outer = flat.outputs[0].shape, node.outputs[0].shape
    if whole is None or len(whole) != 4 or list(turn.attributes.get_ints("perm", ())) != [0, 2, 1]:
        return
    if (inner is not None and len(inner) != 3) or (outer is not None and len(outer) != 4):
        return
    if "scaled_dot_product_attention" not in node.metadata_props.get(SCOPES, ""):
        return
    order = ir.convenience.convert_attributes({"perm": [0, 1, 3, 2]})
    made = ir.Node("", "Transpose", [flat.inputs[0]], order, name=node.name)
    made.metadata_props.update(node.metadata_props)
    made.outputs[0].name, made.outputs[0].type = node.outputs[0].name, node.outputs[0].type
    model.graph.insert_before(node, made)
    ir.convenience.replace_all_uses_with(node.outputs[0], made.outputs[0])
    model.graph.remove(node, safe=True)


def _leave_the_batch(model: ir.Model, node: ir.Node) -> None:
    """The one size of a target that is computed (samples) is whatever the others leave."""
    if node.graph is None:
        return
    joined = _maker(node, "Concat", 1)
    if joined is None:
        return
    parts = [None if v is None or v.const_value is None else v.const_value for v in joined.inputs]
    computed = [value for value, part in zip(joined.inputs, parts, strict=True) if part is None]
    known = np.concatenate([[-1] if part is None else part.numpy() for part in parts])
    if len(computed) != 1 or (known < 1).sum() != 1 or not _one_number(computed[0]):
        return
    node.replace_input_with(1, _constant(model, node, "target", known.tolist()))


def _leave_the_layout(model: ir.Model, node: ir.Node) -> None:
    """A mean over pixels keeps its layout in memory by ``as_strided``; its numbers stay in order.

    Matched: a gather from flattened data ``(N, C, 1, 1)``.
    """
    flat = _maker(node, "Reshape")
    data = None if flat is None else flat.inputs[0]
    scopes = node.metadata_props.get(SCOPES, "")
    if data is None or data.shape is None or "'as_strided" not in scopes:
        return
    if len(data.shape) == 4 and list(data.shape)[2:] == [1, 1]:
        ir.convenience.replace_all_uses_with(node.outputs[0], data)
        model.graph.remove(node, safe=True)


def _cut_in_rows(model: ir.Model, node: ir.Node) -> None:
    """Equal parts become rows of a new axis, so that they stay equal.

    In ONNX parts may have any sizes; ``chunk`` and ``split`` of torch cut what there is in equal
    ones. Matched: parts of one known size along an axis that is not the batch.
    """
    data = node.inputs[0]
    shapes = [value.shape for value in node.outputs]
    if data is None or data.shape is None or any(shape is None for shape in shapes):
        return
    rank = len(data.shape)
    axis = node.attributes.get_int("axis", 0) % rank
    sizes = {shape[axis] for shape in shapes if shape is not None}
    (size,) = sizes if len(sizes) == 1 else (None,)
    if not axis or not isinstance(size, int) or len(node.outputs) < 2:
        return
    fixed = [n for n in list(data.shape)[1:] if isinstance(n, int)]
    if len(fixed) != rank - 1:
        return
    target = [0, *fixed[: axis - 1], len(node.outputs), size, *fixed[axis:]]
    rows = _node(model, node, "Reshape", [data, _constant(model, node, "rows", target)], "rows")
    for number, output in enumerate(node.outputs):
        index = _constant(model, node, f"row{number}", number)
        row = _node(model, node, "Gather", [rows, index], f"row{number}", axis=axis)
        row.shape, row.type = output.shape, output.type
        ir.convenience.replace_all_uses_with(output, row)
    model.graph.remove(node, safe=True)


def _node(
    model: ir.Model,
    place: ir.Node,
    operator: str,
    inputs: list[ir.Value],
    name: str,
    **attributes: int,
) -> ir.Value:
    """What a new node before another one makes."""
    given = ir.convenience.convert_attributes(attributes)
    made = ir.Node("", operator, inputs, given, name=f"{place.name}/{name}")
    made.metadata_props.update(place.metadata_props)
    made.outputs[0].name = f"{place.name}/{name}"
    model.graph.insert_before(place, made)
    return made.outputs[0]


def _constant(model: ir.Model, place: ir.Node, name: str, numbers: list[int] | int) -> ir.Value:
    """A new initializer of int64."""
    array = np.array(numbers, np.int64)
    value = ir.Value(name=f"{place.name}/{name}/operand", const_value=ir.tensor(array))
    value.shape, value.dtype = ir.Shape(array.shape), ir.DataType.INT64
    model.graph.register_initializer(value)
    return value


def _one_number(value: ir.Value | None) -> bool:
    return value is not None and value.shape is not None and list(value.shape) == [1]


def _maker(node: ir.Node, operator: str, index: int = 0) -> ir.Node | None:
    value = node.inputs[index] if index < len(node.inputs) else None
    maker = None if value is None else value.producer()
    return maker if maker is not None and maker.op_type == operator else None
