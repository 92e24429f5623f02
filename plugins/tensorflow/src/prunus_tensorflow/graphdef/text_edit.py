"""Bring a pbtxt graph up to date by editing only the numbers that changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from prunus_tensorflow.graphdef.pbtxt import Edit, Field, apply, parse_text, string_value

_NUMBERS = ("float_val", "double_val", "int_val", "int64_val", "bool_val")


def edit_text(text: str, old: Any, new: Any, meta: bool = False) -> str:
    """The text of GraphDef ``old`` changed into that of ``new``.

    Both hold the same nodes with the same attributes; shapes, tensors and lists of shapes,
    ops and inputs may differ. Further nodes at the end of ``new`` are added.

    Args:
        text: The original file.
        old: GraphDef protobuf of the text.
        new: GraphDef to arrive at.
        meta: The file is a MetaGraphDef.
    """
    root = parse_text(text)
    graphs = list(root.all("graph_def")) if meta else [root]
    fields = {}
    for graph in graphs:
        for field in graph.all("node"):
            name = field.first("name")
            fields["" if name is None else string_value(text, name)] = field
    edits: list[Edit] = []
    for before, after in zip(old.node, new.node, strict=False):
        if before != after:
            edits += _node_edits(text, fields[before.name], before, after)
    added = new.node[len(old.node) :]
    if added:
        last = fields[old.node[-1].name]
        edits.append(Edit(last.end, last.end, _printed(added)))
    return apply(text, edits)


def _printed(nodes: Sequence[Any]) -> str:
    """New nodes as text, to stand behind another node."""
    from google.protobuf import text_format

    parts = []
    for node in nodes:
        body = text_format.MessageToString(node, indent=2)
        parts.append(f"\nnode {{\n{body}}}")
    return "".join(parts)


def _node_edits(text: str, field: Field, before: Any, after: Any) -> Iterator[Edit]:
    yield from _link_edits(text, field, before, after)
    for entry in field.all("attr"):
        key, value = entry.first("key"), entry.first("value")
        if key is None or value is None:
            continue
        name = string_value(text, key)
        old, new = before.attr[name], after.attr[name]
        if old == new:
            continue
        kind = old.WhichOneof("value")
        if kind == "shape":
            yield from _shape_edits(text, _only(value, "shape"), old.shape, new.shape)
        elif kind == "tensor":
            yield from _tensor_edits(text, _only(value, "tensor"), old.tensor, new.tensor)
        elif kind == "list":
            shapes = list(_only(value, "list").all("shape"))
            for place, one in enumerate(shapes):
                yield from _shape_edits(text, one, old.list.shape[place], new.list.shape[place])


def _link_edits(text: str, field: Field, before: Any, after: Any) -> Iterator[Edit]:
    """Op and inputs; an input that is too many goes on a line of its own."""
    op = field.first("op")
    if before.op != after.op and op is not None:
        yield Edit(op.value_start, op.value_end, f'"{after.op}"')
    inputs = list(field.all("input"))
    for place, name in enumerate(after.input):
        if place >= len(inputs):
            last = inputs[-1]
            start = text.rfind("\n", 0, last.start)
            space = text[start : last.start] if not text[start : last.start].strip() else " "
            yield Edit(last.end, last.end, f'{space}input: "{name}"')
        elif before.input[place] != name:
            yield Edit(inputs[place].value_start, inputs[place].value_end, f'"{name}"')


def _only(value: Field, name: str) -> Field:
    found = value.first(name)
    if found is None:
        raise ValueError(f"attribute without {name}")
    return found


def _shape_edits(text: str, field: Field, old: Any, new: Any) -> Iterator[Edit]:
    dims = list(field.all("dim"))
    for dim, before, after in zip(dims, old.dim, new.dim, strict=True):
        size = dim.first("size")
        if before.size != after.size and size is not None:
            yield Edit(size.value_start, size.value_end, str(after.size))


def _tensor_edits(text: str, field: Field, old: Any, new: Any) -> Iterator[Edit]:
    shape = field.first("tensor_shape")
    if shape is not None:
        yield from _shape_edits(text, shape, old.tensor_shape, new.tensor_shape)
    content = field.first("tensor_content")
    if content is not None and old.tensor_content != new.tensor_content:
        yield Edit(content.value_start, content.value_end, quote(new.tensor_content))
    for name in _NUMBERS:
        before, after = getattr(old, name), getattr(new, name)
        if list(before) != list(after):
            yield from _number_edits(text, list(field.all(name)), before, after)


def _number_edits(
    text: str, fields: Sequence[Field], before: Sequence[Any], after: Sequence[Any]
) -> Iterator[Edit]:
    """Rewrite the numbers that differ and take away the ones that are too many."""
    for place, field in enumerate(fields):
        if place >= len(after) and field.listed and place:
            yield Edit(fields[place - 1].value_end, field.value_end, "")
        elif place >= len(after):
            start = text.rfind("\n", 0, field.start) + 1
            alone = not text[start : field.start].strip()
            stop = text.find("\n", field.end) + 1 if alone else field.end
            yield Edit(start if alone else field.start, stop or field.end, "")
        elif before[place] != after[place]:
            yield Edit(field.value_start, field.value_end, _number(after[place]))


def _number(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    from google.protobuf.internal.type_checkers import ToShortestFloat

    short = repr(ToShortestFloat(value))
    return short[:-2] if short.endswith(".0") else short


def quote(content: bytes) -> str:
    """A bytes value as protobuf's printer writes it (octal escapes)."""
    special = {9: "\\t", 10: "\\n", 13: "\\r", 34: '\\"', 39: "\\'", 92: "\\\\"}
    table = [
        special.get(byte) or (chr(byte) if 32 <= byte < 127 else f"\\{byte:03o}")
        for byte in range(256)
    ]
    return '"' + "".join(map(table.__getitem__, content)) + '"'
