"""Bring a pbtxt graph up to date by editing only the numbers that changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from prunus.plugin import (
    TextBlock,
    TextEdit,
    TextField,
    TextScalar,
    parse_protobuf_text,
)

_NUMBERS = ("float_val", "double_val", "int_val", "int64_val", "bool_val")


def edit_text(text: str, path: Path, old: Any, new: Any, meta: bool = False) -> str:
    """The text of GraphDef ``old`` changed into that of ``new``.

    Both hold the same nodes with the same attributes; shapes, tensors and lists of shapes,
    ops and inputs may differ. Further nodes at the end of ``new`` are added.

    Args:
        text: The original file.
        path: Its path, for messages.
        old: GraphDef protobuf of the text.
        new: GraphDef to arrive at.
        meta: The file is a MetaGraphDef.
    """
    document = parse_protobuf_text(text, path)
    graphs = document.root.blocks("graph_def") if meta else [document.root]
    blocks = {_string(block, "name"): block for graph in graphs for block in graph.blocks("node")}
    edits: list[TextEdit] = []
    for before, after in zip(old.node, new.node, strict=False):
        if before != after:
            edits += _node_edits(text, blocks[before.name], before, after)
    added = new.node[len(old.node) :]
    if added:
        last = blocks[old.node[-1].name]
        edits.append(TextEdit(last.end, last.end, _printed(added)))
    return document.edited(edits)


def _string(block: TextBlock, name: str) -> str:
    """Value of a string field; empty without one."""
    return next((value.string() for value in block.scalars(name)), "")


def _printed(nodes: Sequence[Any]) -> str:
    """New nodes as text, to stand behind another node."""
    from google.protobuf import text_format

    parts = []
    for node in nodes:
        body = text_format.MessageToString(node, indent=2)
        parts.append(f"\nnode {{\n{body}}}")
    return "".join(parts)


def _node_edits(text: str, block: TextBlock, before: Any, after: Any) -> Iterator[TextEdit]:
    yield from _link_edits(text, block, before, after)
    for entry in block.blocks("attr"):
        name = _string(entry, "key")
        old, new = before.attr[name], after.attr[name]
        if old == new:
            continue
        (value,) = entry.blocks("value")
        kind = old.WhichOneof("value")
        if kind == "shape":
            yield from _shape_edits(value, "shape", [old.shape], [new.shape])
        elif kind == "tensor":
            yield from _tensor_edits(text, value.blocks("tensor")[0], old.tensor, new.tensor)
        elif kind == "list":
            listed = value.blocks("list")[0]
            yield from _shape_edits(listed, "shape", old.list.shape, new.list.shape)


def _link_edits(text: str, block: TextBlock, before: Any, after: Any) -> Iterator[TextEdit]:
    """Op and inputs; inputs that are too many go on lines of their own."""
    if before.op != after.op:
        yield from (_replaced(op, f'"{after.op}"') for op in block.scalars("op"))
    inputs = block.scalars("input")
    for position, name in enumerate(after.input[: len(inputs)]):
        if before.input[position] != name:
            yield _replaced(inputs[position], f'"{name}"')
    added = after.input[len(inputs) :]
    if added:
        *_, last = block.named("input")
        start = text.rfind("\n", 0, last.start)
        space = text[start : last.start] if not text[start : last.start].strip() else " "
        more = "".join(f'{space}input: "{name}"' for name in added)
        yield TextEdit(last.after, last.after, more)


def _shape_edits(
    block: TextBlock, name: str, old: Sequence[Any], new: Sequence[Any]
) -> Iterator[TextEdit]:
    """Sizes of the shapes in a field of this name."""
    for shape, before, after in zip(block.blocks(name), old, new, strict=False):
        for dim, was, size in zip(shape.blocks("dim"), before.dim, after.dim, strict=True):
            if was.size != size.size:
                yield from (_replaced(found, str(size.size)) for found in dim.scalars("size"))


def _tensor_edits(text: str, block: TextBlock, old: Any, new: Any) -> Iterator[TextEdit]:
    yield from _shape_edits(block, "tensor_shape", [old.tensor_shape], [new.tensor_shape])
    if old.tensor_content != new.tensor_content:
        content = quote(new.tensor_content)
        yield from (_replaced(found, content) for found in block.scalars("tensor_content"))
    for name in _NUMBERS:
        before, after = list(getattr(old, name)), list(getattr(new, name))
        if before != after:
            yield from _number_edits(text, list(block.named(name)), before, after)


def _number_edits(
    text: str, fields: Sequence[TextField], before: Sequence[Any], after: Sequence[Any]
) -> Iterator[TextEdit]:
    """Rewrite the numbers that differ and take away the ones that are too many."""
    start = 0
    for field in fields:
        values, start = field.values, start + len(field.values)
        first = start - len(values)
        for position, value in enumerate(values[: max(0, len(after) - first)], first):
            if before[position] != after[position] and isinstance(value, TextScalar):
                yield _replaced(value, _number(after[position]))
        remaining = max(0, len(after) - first)
        if not remaining:
            yield _removed(text, field)
        elif remaining < len(values):
            yield TextEdit(values[remaining - 1].end, values[-1].end, "")


def _removed(text: str, field: TextField) -> TextEdit:
    """A field gone, with its line where it stands there alone."""
    start = text.rfind("\n", 0, field.start) + 1
    end = text.find("\n", field.after) + 1 or len(text)
    alone = not (text[start : field.start] + text[field.after : end]).strip()
    return TextEdit(start, end, "") if alone else TextEdit(field.start, field.after, "")


def _replaced(value: TextScalar, new: str) -> TextEdit:
    return TextEdit(value.start, value.end, new)


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
