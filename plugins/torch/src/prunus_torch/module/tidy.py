"""What torch's exporter writes in a roundabout way, said directly."""

from __future__ import annotations

from collections.abc import Set

import numpy as np
import onnx_ir as ir


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
    if "scaled_dot_product_attention" not in node.metadata_props.get(
        "pkg.torch.onnx.name_scopes", ""
    ):
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
    name = f"{node.name}/target"
    target = ir.Value(name=name, const_value=ir.tensor(known.astype(np.int64), name=name))
    target.shape, target.dtype = ir.Shape(known.shape), ir.DataType.INT64
    model.graph.register_initializer(target)
    node.replace_input_with(1, target)


def _one_number(value: ir.Value | None) -> bool:
    return value is not None and value.shape is not None and list(value.shape) == [1]


def _maker(node: ir.Node, operator: str, index: int = 0) -> ir.Node | None:
    value = node.inputs[index] if index < len(node.inputs) else None
    maker = None if value is None else value.producer()
    return maker if maker is not None and maker.op_type == operator else None
