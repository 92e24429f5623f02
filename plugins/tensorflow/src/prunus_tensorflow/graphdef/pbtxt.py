"""Protobuf text format with the position of everything in it, so that it can be edited.

Source: https://protobuf.dev/reference/protobuf/textformat-spec/
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import attrs

from prunus.plugin import ModelError

_TOKEN = re.compile(
    r"""
    (?P<space>(?:\s|\#[^\n]*)+)
  | (?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
  | (?P<open>[{<])
  | (?P<close>[}>])
  | (?P<list>[\[\]])
  | (?P<mark>[:,;])
  | (?P<word>[^\s\#"'{}<>\[\]:,;]+)
    """,
    re.VERBOSE,
)


@attrs.define(eq=False)
class Field:
    """One field: a scalar or a message.

    Attributes:
        name: Field name.
        start, end: Position of the whole field in the text.
        value_start, value_end: Position of the value (of a message: between the braces).
        children: Fields of a message; ``None`` for a scalar.
        listed: True for an element of a ``[…]`` list.
    """

    name: str
    start: int
    end: int = 0
    value_start: int = 0
    value_end: int = 0
    children: list[Field] | None = None
    listed: bool = False

    def all(self, name: str) -> Iterator[Field]:
        """Children of a name, in order."""
        return (child for child in self.children or () if child.name == name)

    def first(self, *path: str) -> Field | None:
        """First child along a path of names."""
        here: Field | None = self
        for name in path:
            here = next(here.all(name), None) if here is not None else None
        return here


@attrs.frozen
class Edit:
    """Replace ``text[start:end]``."""

    start: int
    end: int
    text: str


def parse_text(text: str) -> Field:
    """Fields of a whole file, as the children of a nameless one.

    Raises:
        ModelError: the text is not balanced; names the line.
    """
    return _Parser(text).run()


def apply(text: str, edits: Iterable[Edit]) -> str:
    """The text with all edits made; they must not overlap."""
    parts, place = [], 0
    for edit in sorted(edits, key=lambda edit: (edit.start, edit.end)):
        if edit.start < place:
            raise ValueError(f"overlapping edits at {edit.start}")
        parts += [text[place : edit.start], edit.text]
        place = edit.end
    return "".join([*parts, text[place:]])


def string_value(text: str, field: Field) -> str:
    """Unquoted value of a string field that escapes nothing but backslashes and quotes."""
    raw = text[field.value_start : field.value_end]
    return re.sub(r"\\(.)", r"\1", raw[1:-1])


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._place = 0
        self._kind = ""
        self._start = 0
        self._end = 0
        self._next()

    def run(self) -> Field:
        root = Field("", 0, len(self._text), 0, len(self._text), [])
        stack = [root]
        while self._kind:
            if self._kind == "close":
                if len(stack) == 1:
                    self._fail("a brace closes that was never opened")
                message = stack.pop()
                message.value_end, message.end = self._start, self._end
                self._next()
                self._skip_separator(message)
                continue
            opened = self._field(stack[-1])
            if opened is not None:
                stack.append(opened)
        if len(stack) > 1:
            self._fail(f"'{stack[-1].name}' is not closed")
        return root

    def _field(self, parent: Field) -> Field | None:
        """Read one field; a message is returned open."""
        start = self._start
        if self._kind == "list":  # [type.url] of an Any
            while self._kind and self._text[self._start] != "]":
                self._next()
        elif self._kind != "word":
            self._fail(f"a field name was expected, not {self._text[self._start : self._end]!r}")
        field = Field(self._text[start : self._end], start)
        assert parent.children is not None
        self._next()
        if self._kind == "mark" and self._text[self._start] == ":":
            self._next()
        if self._kind == "open":
            parent.children.append(field)
            field.value_start, field.children = self._end, []
            self._next()
            return field
        if self._kind == "list":
            self._list(parent, field)
            return None
        parent.children.append(field)
        self._scalar(field)
        return None

    def _scalar(self, field: Field) -> None:
        if self._kind not in ("string", "word"):
            self._fail(f"a value was expected for '{field.name}'")
        field.value_start = self._start
        joined = self._kind == "string"
        field.value_end = field.end = self._end
        self._next()
        while joined and self._kind == "string":
            field.value_end = field.end = self._end
            self._next()
        self._skip_separator(field)

    def _list(self, parent: Field, field: Field) -> None:
        self._next()
        while self._kind and self._text[self._start] != "]":
            if self._kind == "open":
                self._fail(f"a list of messages in '{field.name}' is not supported")
            element = Field(field.name, self._start, listed=True)
            assert parent.children is not None
            parent.children.append(element)
            self._scalar(element)
        if not self._kind:
            self._fail(f"the list of '{field.name}' is not closed")
        self._next()
        self._skip_separator(field)

    def _skip_separator(self, field: Field) -> None:
        if self._kind == "mark" and self._text[self._start] in ",;":
            field.end = self._end
            self._next()

    def _next(self) -> None:
        while True:
            if self._place >= len(self._text):
                self._kind, self._start, self._end = "", len(self._text), len(self._text)
                return
            match = _TOKEN.match(self._text, self._place)
            if match is None:
                self._start = self._place
                self._fail("a string is not closed")
            assert match is not None
            self._place = match.end()
            if match.lastgroup != "space":
                self._kind, self._start, self._end = match.lastgroup or "", *match.span()
                return

    def _fail(self, reason: str) -> None:
        line = self._text.count("\n", 0, self._start) + 1
        raise ModelError(f"line {line}: {reason}")
