"""A parsed text file: every value knows where it stands, so that an edit changes it alone."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import attrs

_ESCAPES = {"a": 7, "b": 8, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11}
_PIECE = re.compile(r"\\(?:([0-7]{1,3})|[xX]([0-9a-fA-F]{1,2})|(.))|([^\\]+)", re.DOTALL)
_STRING = re.compile(r'"((?:[^"\\]|\\.)*)"|\'((?:[^\'\\]|\\.)*)\'')


@attrs.frozen
class TextScalar:
    """One value that is no block.

    Attributes:
        text: As written, with its quotes.
        start, end: Position ``[start, end)`` of its characters in the document.
        line: Line of its first character, counted from 1.
    """

    text: str
    start: int
    end: int
    line: int

    @property
    def quoted(self) -> bool:
        """True for a string."""
        return self.text[:1] in ("'", '"')

    def string(self) -> str:
        """The value without quotes and escapes; adjacent strings are joined."""
        if not self.quoted:
            return self.text
        return "".join(_plain(a or b) for a, b in _STRING.findall(self.text))


@attrs.frozen
class TextBlock:
    """The fields between two braces (or of the whole file).

    Attributes:
        fields: In order.
        start, end: Position ``[start, end)`` of its characters in the document.
        line: Line of its first character, counted from 1.
    """

    fields: tuple[TextField, ...]
    start: int
    end: int
    line: int

    def named(self, name: str) -> Iterator[TextField]:
        """Fields with this name, in order."""
        return (field for field in self.fields if field.name == name)

    def all(self, name: str) -> Iterator[TextScalar | TextBlock]:
        """Values of every field with this name, lists flattened, in order."""
        for field in self.named(name):
            yield from field.values

    def blocks(self, name: str) -> list[TextBlock]:
        """Sub-messages with this name."""
        return [value for value in self.all(name) if isinstance(value, TextBlock)]

    def scalars(self, name: str) -> list[TextScalar]:
        """Plain values with this name."""
        return [value for value in self.all(name) if isinstance(value, TextScalar)]


@attrs.frozen
class TextField:
    """``name: value``, ``name { … }`` or ``name: [ … ]``, at ``[start, end)`` of the document.

    Attributes:
        name: Its name.
        values: One value, or those of the list.
        start, end: Position ``[start, end)`` of its characters in the document.
        line: Line of its first character, counted from 1.
        listed: True for a list.
        after: Position behind the separator that follows, ``end`` without one.
    """

    name: str
    values: tuple[TextScalar | TextBlock, ...]
    start: int
    end: int
    line: int
    listed: bool
    after: int


@attrs.frozen
class TextEdit:
    """Replace the characters ``[start, end)``.

    Attributes:
        start, end: Positions in the document; equal ones insert.
        text: New characters.
    """

    start: int
    end: int
    text: str


@attrs.frozen(eq=False)
class TextDocument:
    """One parsed file.

    Attributes:
        path: For messages.
        text: Its characters, as read.
        root: All fields.
    """

    path: Path
    text: str
    root: TextBlock

    def edited(self, edits: Sequence[TextEdit]) -> str:
        """The text with edits applied; the same edit given twice counts once.

        Raises:
            ValueError: two edits overlap.
        """
        parts: list[str] = []
        position = 0
        for edit in sorted(dict.fromkeys(edits), key=lambda e: (e.start, e.end)):
            if edit.start < position:
                raise ValueError(f"edits overlap at character {edit.start}")
            parts += [self.text[position : edit.start], edit.text]
            position = edit.end
        return "".join([*parts, self.text[position:]])


def _plain(text: str) -> str:
    """Text without its escapes: those of C; octal and hexadecimal ones are bytes of UTF-8."""
    if "\\" not in text:
        return text
    data = bytearray()
    for octal, hexadecimal, letter, rest in _PIECE.findall(text):
        if octal or hexadecimal:
            data.append(int(octal or hexadecimal, 8 if octal else 16) & 255)
        elif letter in _ESCAPES:
            data.append(_ESCAPES[letter])
        else:
            data += (letter or rest).encode("utf-8", "surrogateescape")
    return data.decode("utf-8", "surrogateescape")
