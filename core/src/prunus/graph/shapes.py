"""Static shapes of every value, for a batch of one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import onnx
import onnx_ir as ir
from onnx_ir.passes.common import ShapeInferencePass

from prunus.errors import ModelError

Shapes = Mapping[str, tuple[int, ...]]

_OPERAND = 1000
"""Bytes of the largest initializer whose numbers may tell shapes."""


def infer_shapes(model: ir.Model) -> dict[str, tuple[int, ...]]:
    """Value name -> shape with batch size 1; values without a static shape are left out.

    Raises:
        ModelError: a graph input has a dimension other than the batch that is not fixed.
    """
    sizes: dict[str, tuple[int, ...]] = {}
    for value in model.graph.inputs:
        if value.shape is None:
            raise ModelError(f"graph input '{value.name}' has no shape; export it with fixed sizes")
        dims = [
            1 if axis == 0 and not isinstance(d, int) else d for axis, d in enumerate(value.shape)
        ]
        fixed = tuple(d for d in dims if isinstance(d, int))
        if len(fixed) < len(dims):
            axis = next(axis for axis, d in enumerate(dims) if not isinstance(d, int))
            raise ModelError(
                f"graph input '{value.name}' has no fixed size on axis {axis}; "
                "give the size of one sample (--input-shape) or export the model with fixed sizes"
            )
        sizes[value.name or ""] = fixed
    return shapes_with(model, sizes)


def shapes_with(model: ir.Model, sizes: Shapes) -> dict[str, tuple[int, ...]]:
    """Value name -> shape, where it follows from the sizes of the inputs.

    Stored shapes do not count. The graph is built for the inference alone, without large
    weights: the model is neither copied nor changed.

    Args:
        model: The graph.
        sizes: Graph input name -> shape, where it is known.
    """
    proto = onnx.ModelProto(ir_version=model.ir_version)
    for domain, version in model.opset_imports.items():
        proto.opset_import.add(domain=domain, version=version)
    proto.functions.extend(map(ir.serde.serialize_function, model.functions.values()))
    proto.graph.name = "shapes"
    _add_inputs(proto.graph, model.graph, sizes)
    _add_weights(proto.graph, model.graph)
    _add_nodes(proto.graph, model.graph)
    try:
        found = onnx.shape_inference.infer_shapes(proto, strict_mode=False, data_prop=True).graph
    except Exception:  # noqa: BLE001  what cannot be inferred is not known
        found = proto.graph
    shapes: dict[str, tuple[int, ...]] = {}
    for info in (*found.input, *found.value_info, *found.output):
        kind = info.type.tensor_type
        if kind.HasField("shape") and all(dim.HasField("dim_value") for dim in kind.shape.dim):
            shapes[info.name] = tuple(dim.dim_value for dim in kind.shape.dim)
    return shapes


def _add_inputs(proto: onnx.GraphProto, graph: ir.Graph, sizes: Shapes) -> None:
    """Graph inputs, with the sizes that are known instead of the stored ones."""
    for value in graph.inputs:
        info = ir.serde.serialize_value(value)
        info.type.tensor_type.ClearField("shape")
        size = sizes.get(value.name or "")
        if size is not None:
            _set_shape(info, size)
        proto.input.append(info)


def _add_weights(proto: onnx.GraphProto, graph: ir.Graph) -> None:
    """Weights as inputs of the same shape; small ones with their numbers, which may be sizes."""
    inputs = {value.name for value in graph.inputs}
    for name, value in graph.initializers.items():
        tensor = value.const_value
        if name in inputs:
            continue
        if tensor is None:
            proto.input.append(ir.serde.serialize_value(value))
            continue
        info = proto.input.add(name=name)
        info.type.tensor_type.elem_type = int(tensor.dtype)
        _set_shape(info, [int(size) for size in tensor.shape.numpy()])
        if tensor.nbytes <= _OPERAND:
            proto.initializer.append(ir.serde.serialize_tensor(tensor))


def _add_nodes(proto: onnx.GraphProto, graph: ir.Graph) -> None:
    """Nodes, and the element types of their values."""
    for node in graph:
        proto.node.append(ir.serde.serialize_node(node))
        for value in node.outputs:
            if value.name and value.dtype is not None:
                listed = proto.output if value.is_graph_output() else proto.value_info
                listed.add(name=value.name).type.tensor_type.elem_type = int(value.dtype)


def _set_shape(info: onnx.ValueInfoProto, sizes: Sequence[int]) -> None:
    info.type.tensor_type.shape.SetInParent()  # a scalar has a shape without sizes
    for size in sizes:
        info.type.tensor_type.shape.dim.add(dim_value=size)


def typed(model: ir.Model) -> ir.Model:
    """The same graph with the element type of every value, where it can be told."""
    step = ShapeInferencePass(check_type=False, strict_mode=False, data_prop=False)
    return step(model.clone()).model
