"""A parsed prototxt: every value knows where it stands, so that an edit changes it alone."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import attrs

_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", '"': '"', "'": "'"}


@attrs.frozen
class Scalar:
    """One value: its text and its position ``[start, end)`` in the document."""

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
        parts = re.findall(r'"((?:[^"\\]|\\.)*)"|\'((?:[^\'\\]|\\.)*)\'', self.text)
        return re.sub(r"\\(.)", lambda m: _ESCAPES.get(m[1], m[1]), "".join(map("".join, parts)))


@attrs.frozen
class Block:
    """The fields between two braces (or of the whole file)."""

    fields: tuple[Field, ...]
    start: int
    end: int
    line: int

    def all(self, name: str) -> Iterator[Scalar | Block]:
        """Values of every field with this name, lists flattened, in order."""
        for field in self.fields:
            if field.name == name:
                yield from field.values

    def blocks(self, name: str) -> list[Block]:
        """Sub-messages with this name."""
        return [value for value in self.all(name) if isinstance(value, Block)]

    def scalars(self, name: str) -> list[Scalar]:
        """Plain values with this name."""
        return [value for value in self.all(name) if isinstance(value, Scalar)]


@attrs.frozen
class Field:
    """``name: value``, ``name { … }`` or ``name: [ … ]``, at ``[start, end)`` of the document."""

    name: str
    values: tuple[Scalar | Block, ...]
    start: int
    end: int
    line: int


@attrs.frozen
class Edit:
    """Replace the characters ``[start, end)``; equal ends insert."""

    start: int
    end: int
    text: str


@attrs.frozen(eq=False)
class Document:
    """One parsed file.

    Attributes:
        path: For messages.
        text: Its characters, as read.
        root: All fields.
    """

    path: Path
    text: str
    root: Block

    def edited(self, edits: Sequence[Edit]) -> str:
        """The text with edits applied; the same edit given twice counts once."""
        parts: list[str] = []
        place = 0
        for edit in sorted(set(edits), key=lambda e: (e.start, e.end)):
            if edit.start < place:
                raise ValueError(f"edits overlap at character {edit.start}")
            parts += [self.text[place : edit.start], edit.text]
            place = edit.end
        return "".join([*parts, self.text[place:]])
