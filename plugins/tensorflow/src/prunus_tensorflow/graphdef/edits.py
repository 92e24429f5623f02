"""Changes of single nodes of a GraphDef protobuf."""

from __future__ import annotations

from collections.abc import Set
from typing import Any

import numpy as np
from numpy.typing import NDArray


def set_shape(proto: Any, shape: tuple[int, ...]) -> None:
    """Write the sizes of a TensorShapeProto of the same rank; other fields stay."""
    for dim, size in zip(proto.dim, shape, strict=True):
        if dim.size != size:
            dim.size = size


def set_tensor(proto: Any, array: NDArray[Any]) -> None:
    """Write an array into a TensorProto, in the form (content, list, one repeated value) it has.

    Source: tensorflow/core/framework/tensor.proto: a list shorter than the tensor repeats
    its last value.
    """
    from tensorflow.python.framework.dtypes import as_dtype

    dtype = as_dtype(proto.dtype)
    array = np.asarray(array).astype(dtype.as_numpy_dtype)
    old_size = int(np.prod([dim.size for dim in proto.tensor_shape.dim]))
    set_shape(proto.tensor_shape, array.shape)
    if proto.tensor_content:
        proto.tensor_content = array.tobytes()
        return
    values = _values(proto)
    if values is None:
        return
    flat = array.reshape(-1).tolist()
    if len(values) < old_size and flat and len(set(flat)) == 1:
        flat = flat[:1]
    if list(values) != flat:
        del values[:]
        values.extend(flat)


def _values(proto: Any) -> Any:
    """The repeated field that holds the numbers."""
    from tensorflow.core.framework import types_pb2 as types

    fields = {
        types.DT_FLOAT: "float_val",
        types.DT_DOUBLE: "double_val",
        types.DT_INT32: "int_val",
        types.DT_INT16: "int_val",
        types.DT_INT8: "int_val",
        types.DT_UINT8: "int_val",
        types.DT_INT64: "int64_val",
        types.DT_BOOL: "bool_val",
    }
    name = fields.get(proto.dtype)
    return None if name is None else getattr(proto, name)


def copy_without(message: Any, heavy: Set[str]) -> Any:
    """Copy of a GraphDef whose Consts in ``heavy`` have an empty content.

    Those are written anew, and copying all weights of a frozen graph would cost its size
    once more. Anything out of the ordinary (a MetaGraphDef, unknown fields) is copied whole.
    """
    from google.protobuf.unknown_fields import UnknownFieldSet

    new = type(message)()
    if not heavy or "node" not in message.DESCRIPTOR.fields_by_name or UnknownFieldSet(message):
        new.CopyFrom(message)
        return new
    _copy_fields(message, new, "node")
    for node in message.node:
        content = node.op == "Const" and node.attr["value"].tensor.tensor_content
        light = new.node.add()
        if node.name not in heavy or not content or UnknownFieldSet(node):
            light.CopyFrom(node)
            continue
        _copy_fields(node, light, "attr")
        for key, value in node.attr.items():
            if key != "value":
                light.attr[key].CopyFrom(value)
        _copy_fields(node.attr["value"].tensor, light.attr["value"].tensor, "tensor_content")
        light.attr["value"].tensor.tensor_content = b"\0"
    return new


def _copy_fields(source: Any, target: Any, skip: str) -> None:
    """Copy all set fields but one."""
    for field, value in source.ListFields():
        if field.name == skip:
            continue
        if hasattr(value, "MergeFrom"):
            getattr(target, field.name).MergeFrom(value)
        else:
            setattr(target, field.name, value)
