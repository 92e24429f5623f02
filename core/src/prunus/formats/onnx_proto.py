"""The file itself: a protobuf message that is whole, and of operator versions we know."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import onnx
from google.protobuf.message import DecodeError
from onnx import TensorProto, version_converter

from prunus.errors import ModelError

OPSET = 17
"""Opset of the neutral graph."""

_AGAIN = "is the file damaged? export the model again"

_POSITION = re.compile("[0-9]{1,18}")
"""Bytes from the start of a file: no file system holds longer ones."""

_FIELDS = {
    TensorProto.FLOAT: "float_data",
    TensorProto.DOUBLE: "double_data",
    TensorProto.INT64: "int64_data",
    TensorProto.UINT32: "uint64_data",
    TensorProto.UINT64: "uint64_data",
    **dict.fromkeys(
        (
            TensorProto.INT32,
            TensorProto.INT16,
            TensorProto.INT8,
            TensorProto.UINT16,
            TensorProto.UINT8,
            TensorProto.BOOL,
            TensorProto.FLOAT16,
            TensorProto.BFLOAT16,
        ),
        "int32_data",
    ),
}
"""Type -> where a tensor's numbers lie if not in ``raw_data`` (onnx.proto)."""


def parse(path: Path) -> onnx.ModelProto:
    """Read a file with the weights beside it.

    Raises:
        ModelError: missing or damaged: names, initializers, opsets.
    """
    if not path.is_file():
        raise ModelError(f"{path}: no such file")
    try:
        proto = onnx.load(path, load_external_data=False)
        _check_texts(path, proto)
        _check_positions(path, proto.graph)
        onnx.load_external_data_for_model(proto, str(path.parent))
    except (DecodeError, ValueError) as error:
        raise ModelError(f"{path}: not a readable ONNX file ({error}); is it complete?") from error
    except (FileNotFoundError, onnx.checker.ValidationError, RuntimeError) as error:
        # RuntimeError: the file system refuses the name (too long, say)
        raise ModelError(
            f"{path}: weights stored beside the model are missing ({error})"
        ) from error
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror})") from error
    if not proto.graph.node or not proto.graph.output:
        raise ModelError(f"{path}: holds no graph; is it an ONNX model and complete?")
    _check_opsets(path, proto)
    _check_initializers(path, proto.graph)
    return proto


def upgraded(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Bring old operator versions up; what the converter cannot is left as it is."""
    version = next((o.version for o in proto.opset_import if o.domain in ("", "ai.onnx")), OPSET)
    if version >= OPSET:
        return proto
    try:
        return version_converter.convert_version(proto, OPSET)
    except Exception:  # noqa: BLE001  the converter raises its own untyped errors
        return proto


def _check_opsets(path: Path, proto: onnx.ModelProto) -> None:
    newest = onnx.defs.onnx_opset_version()
    for entry in proto.opset_import:
        if entry.domain in ("", "ai.onnx") and not 1 <= entry.version <= newest:
            raise ModelError(
                f"{path}: opset {entry.version} does not exist (1 to {newest} do); {_AGAIN}"
            )


def _check_texts(path: Path, proto: onnx.ModelProto) -> None:
    """Protobuf gives bytes where a text is not UTF-8."""
    for where, text in _texts(proto.graph, ""):
        if isinstance(text, bytes):
            raise ModelError(f"{path}: {where} is not UTF-8 text; {_AGAIN}")
    for entry in proto.opset_import:
        if isinstance(entry.domain, bytes):
            raise ModelError(f"{path}: the domain of an opset is not UTF-8 text; {_AGAIN}")
    for function in proto.functions:
        for where, text in _texts(function, f"function '{function.name!s}': "):
            if isinstance(text, bytes):
                raise ModelError(f"{path}: {where} is not UTF-8 text; {_AGAIN}")


def _texts(graph: Any, prefix: str) -> Iterator[tuple[str, object]]:
    """Every name of a graph or function, and its position; weights are not touched."""
    yield f"{prefix}the graph's name", graph.name
    for number, node in enumerate(graph.node):
        where = f"{prefix}node {number}"
        yield f"{where}: its name", node.name
        yield f"{where}: its operator", node.op_type
        yield f"{where}: its domain", node.domain
        for name in (*node.input, *node.output):
            yield f"{where}: the name of an input or output", name
        for attribute in node.attribute:
            yield f"{where}: the name of an attribute", attribute.name
            yield f"{where}: the reference of an attribute", attribute.ref_attr_name
            for tensor in (attribute.t, *attribute.tensors):
                yield from _tensor_texts(tensor, f"{where}: ", "a tensor")
            for inner in (attribute.g, *attribute.graphs):
                yield from _texts(inner, f"{where}: sub-graph: ")
    if isinstance(graph, onnx.FunctionProto):
        return
    for tensor in graph.initializer:
        yield from _tensor_texts(tensor, prefix, "an initializer")
    for value in (*graph.input, *graph.output, *graph.value_info):
        yield f"{prefix}the name of a value", value.name
        for size in value.type.tensor_type.shape.dim:
            yield f"{prefix}the name of an axis of '{value.name!s}'", size.dim_param


def _tensor_texts(tensor: Any, prefix: str, kind: str) -> Iterator[tuple[str, object]]:
    """Its name, and where its numbers lie outside of the file."""
    yield f"{prefix}the name of {kind}", tensor.name
    for entry in tensor.external_data:
        yield f"{prefix}the external data of {kind} '{tensor.name}'", entry.key
        yield f"{prefix}the external data of {kind} '{tensor.name}'", entry.value


def _check_positions(path: Path, graph: Any) -> None:
    """Where weights lie outside of the file is stated in bytes; releases of onnx differ in that."""
    for inner in _with_inner(graph):
        for where, tensor in _tensors(inner):
            for entry in tensor.external_data:
                if entry.key in ("offset", "length") and not _POSITION.fullmatch(entry.value):
                    raise ModelError(
                        f"{path}: {where}: the {entry.key} of its external data is "
                        f"'{entry.value[:20]}', which is no number of bytes; {_AGAIN}"
                    )


def _check_initializers(path: Path, graph: Any) -> None:
    """Each is there once, with as many numbers as its shape says; in sub-graphs too."""
    for inner in _with_inner(graph):
        taken = Counter(tensor.name for tensor in inner.initializer)
        for name, count in taken.items():
            if count > 1:
                raise ModelError(f"{path}: initializer '{name}' is there {count} times; {_AGAIN}")
        for where, tensor in _tensors(inner):
            _check_tensor(path, where, tensor)


def _with_inner(graph: Any) -> Iterator[Any]:
    """The graph, and all sub-graphs of its nodes."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            single = [attribute.g] if attribute.HasField("g") else []
            for inner in (*single, *attribute.graphs):
                yield from _with_inner(inner)


def _tensors(graph: Any) -> Iterator[tuple[str, Any]]:
    """Initializers and attributes of one graph, and their positions."""
    for tensor in graph.initializer:
        yield f"initializer '{tensor.name}'", tensor
    for node in graph.node:
        for attribute in node.attribute:
            where = f"node '{node.name or node.op_type}': attribute '{attribute.name}'"
            single = [attribute.t] if attribute.HasField("t") else []
            for tensor in (*single, *attribute.tensors):
                yield where, tensor


def _check_tensor(path: Path, where: str, tensor: Any) -> None:
    if tensor.data_type not in TensorProto.DataType.values() or not tensor.data_type:
        raise ModelError(f"{path}: {where} has the unknown type {tensor.data_type}; {_AGAIN}")
    if any(size < 0 for size in tensor.dims):
        raise ModelError(f"{path}: {where} has a negative size; {_AGAIN}")
    if tensor.data_type not in _FIELDS:
        return  # texts, complex numbers and several to a byte are no weights
    wanted = math.prod(tensor.dims)
    if tensor.HasField("raw_data"):
        each = onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize
        found, rest = divmod(len(tensor.raw_data), each)
    else:
        found, rest = len(getattr(tensor, _FIELDS[tensor.data_type])), 0
    if found != wanted or rest:
        sizes = "x".join(map(str, tensor.dims)) or "one number"
        raise ModelError(
            f"{path}: {where} holds {found:,} numbers, its shape {sizes} says {wanted:,}; {_AGAIN}"
        )
