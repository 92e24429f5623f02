"""Nodes as their operators declare them: what is read here, the rest of the plugin relies on.

Source: tensorflow/core/framework/op_def.proto; the same rules as in
tensorflow/core/framework/node_def_util.cc, ``ValidateNodeDef``.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any

from prunus.plugin import ModelError, check_room
from prunus_tensorflow.error_text import shortened
from prunus_tensorflow.graphdef.names import is_control, split

# Type of an attribute in an OpDef -> field of its AttrValue.
_FIELDS = {
    "string": "s",
    "int": "i",
    "float": "f",
    "bool": "b",
    "type": "type",
    "shape": "shape",
    "tensor": "tensor",
    "func": "func",
}
# Operators whose output comes back from a later round of a loop.
_BACK = ("NextIteration", "RefNextIteration")


def check_nodes(path: Path, graph: Any) -> None:
    """Refuse a graph whose nodes do not fit their operators or each other.

    Raises:
        ModelError: a name is taken twice or missing, inputs or attributes are not those of the
            operator, a constant holds less than it says, or nodes read each other in a circle.
    """
    nodes: dict[str, Any] = {}
    for node in graph.node:
        if node.name in nodes:
            raise ModelError(f"{path}: two nodes are called '{shortened(node.name)}'")
        nodes[node.name] = node
    declared = 0
    for node in graph.node:
        fault = _references(node, nodes) or _signature(node) or _constant(node)
        if fault:
            raise ModelError(f"{path}: node '{shortened(node.name)}' {fault}")
        if node.op == "Const":
            declared += _bytes(node)
    check_room(declared, f"{path}: its constants", ModelError)
    circle = _circle(nodes)
    if circle is not None:
        raise ModelError(f"{path}: node '{shortened(circle)}' reads itself in a circle")


def _references(node: Any, nodes: Mapping[str, Any]) -> str | None:
    for reference in node.input:
        name, index = split(reference)
        source = nodes.get(name)
        if source is None:
            return f"reads '{shortened(name)}', which is not in the graph"
        count = _count(source, "output_arg")
        if count is not None and not is_control(reference) and index >= count:
            return f"reads output {index} of '{shortened(name)}', which has {count}"
    return None


def _signature(node: Any) -> str | None:
    """Difference between a node and the declaration of its operator."""
    from tensorflow.python.framework import op_def_registry

    operator = op_def_registry.get(node.op)
    if operator is None:
        return None
    for declared in operator.attr:
        present = declared.name in node.attr
        if not present and not declared.HasField("default_value"):
            return f"of type '{node.op}' has no attribute '{declared.name}'"
        if present and not _fits(node.attr[declared.name], declared.type):
            return (
                f"of type '{node.op}' has an attribute '{declared.name}' that is no {declared.type}"
            )
    wanted = _count(node, "input_arg")
    given = sum(not is_control(one) for one in node.input)
    if wanted is not None and given != wanted:
        return f"of type '{node.op}' has {given} inputs where {wanted} are taken"
    return None


def _fits(value: Any, kind: str) -> bool:
    held = value.WhichOneof("value")
    if not kind.startswith("list("):
        return bool(held == _FIELDS.get(kind, held))
    field = _FIELDS.get(kind[5:-1])
    return bool(held == "list" and all(one.name == field for one, _ in value.list.ListFields()))


def _count(node: Any, side: str) -> int | None:
    """Number of inputs or outputs by the operator's declaration; ``None`` if it is not known."""
    from tensorflow.python.framework import op_def_registry

    operator = op_def_registry.get(node.op)
    if operator is None:
        return None
    total = 0
    for argument in getattr(operator, side):
        if argument.number_attr:
            total += _value(node, operator, argument.number_attr).i
        elif argument.type_list_attr:
            total += len(_value(node, operator, argument.type_list_attr).list.type)
        else:
            total += 1
    return total


def _value(node: Any, operator: Any, name: str) -> Any:
    if name in node.attr:
        return node.attr[name]
    return next(one.default_value for one in operator.attr if one.name == name)


def _constant(node: Any) -> str | None:
    """Fault of a Const: its type, or fewer or more numbers than its shape has."""
    if node.op != "Const":
        return None
    tensor = node.attr["value"].tensor
    if tensor.dtype != node.attr["dtype"].type:
        return "holds a tensor of another type than it says"
    sizes = [one.size for one in tensor.tensor_shape.dim]
    if tensor.tensor_shape.unknown_rank or any(size < 0 for size in sizes):
        return "holds a tensor without a full shape"
    wanted, width = prod(sizes), _width(tensor.dtype)
    if tensor.tensor_content:
        if width and len(tensor.tensor_content) != wanted * width:
            return f"says {wanted} numbers and holds {len(tensor.tensor_content)} bytes"
        return None
    held = max(
        (len(value) for field, value in tensor.ListFields() if field.name.endswith("_val")),
        default=0,
    )
    if held > wanted * (2 if "complex" in _name(tensor.dtype) else 1):
        return f"says {wanted} numbers and holds {held}"
    return None


def _bytes(node: Any) -> int:
    tensor = node.attr["value"].tensor
    sizes = [int(one.size) for one in tensor.tensor_shape.dim]
    return prod(sizes) * max(_width(tensor.dtype), 1)


def _name(dtype: int) -> str:
    from tensorflow.python.framework.dtypes import as_dtype

    try:
        return str(as_dtype(dtype).name)
    except TypeError:
        return ""


def _width(dtype: int) -> int:
    """Bytes of one number; 0 for text and what is no number."""
    from tensorflow.python.framework.dtypes import as_dtype

    try:
        kind = as_dtype(dtype).base_dtype
    except TypeError:
        return 0
    return 0 if kind.name in ("string", "resource", "variant") else int(kind.size)


def _circle(nodes: Mapping[str, Any]) -> str | None:
    """A node that its own output leads to, other than through a loop's back edge."""
    done: set[str] = set()
    for start in nodes:
        open_: set[str] = set()
        stack = [(start, False)]
        while stack:
            name, leaving = stack.pop()
            if leaving:
                open_.discard(name)
                done.add(name)
            elif name in open_:
                return name
            elif name not in done:
                open_.add(name)
                stack.append((name, True))
                back = nodes[name].op in _BACK
                read = () if back else {split(one)[0] for one in nodes[name].input}
                stack += [(one, False) for one in read if one not in done]
    return None
