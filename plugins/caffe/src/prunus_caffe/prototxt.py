"""Protobuf text format, read for editing.

Tolerant to what is seen in the wild: comments, any spacing, ``a: b`` and
``a { }`` and ``a: { }``, ``< >`` instead of braces, ``[1, 2]`` lists, separators
``,`` and ``;``, unknown fields. Nothing is re-emitted: an edit replaces the
characters of one value, everything else stays byte for byte.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import attrs

from prunus.plugin import ModelError, read_regular
from prunus_caffe.document import Block, Document, Field, Scalar

_TOKEN = re.compile(
    r"""(?P<space>[\s\ufeff]+|\#[^\n]*)
    |(?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
    |(?P<word>[-+]?[A-Za-z0-9_.][A-Za-z0-9_.+\-/]*)
    |(?P<sign>[:{}<>\[\],;])""",
    re.VERBOSE,
)
_CLOSING = {"{": "}", "<": ">"}
_DEPTH = 64


def read(path: Path) -> Document:
    """Parse a file.

    Raises:
        ModelError: it is missing or not a text-format message.
    """
    try:
        data = read_regular(path)
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    if b"\0" in data[:4096]:
        raise ModelError(f"{path}: expected a prototxt text file, found binary data")
    return parse(data.decode("utf-8", "surrogateescape"), path)


def encode(text: str) -> bytes:
    """The bytes of a document's text: undoes the decoding of `read`."""
    return text.encode("utf-8", "surrogateescape")


def parse(text: str, path: Path) -> Document:
    """Parse text.

    Raises:
        ModelError: with file, line and what was expected.
    """
    parser = _Parser(text, path)
    fields = parser.fields(None, 0)
    return Document(path, text, Block(fields, 0, len(text), 1))


@attrs.frozen
class _Token:
    kind: str
    text: str
    start: int
    end: int
    line: int


class _Parser:
    """Recursive descent over the token list."""

    def __init__(self, text: str, path: Path) -> None:
        self._path = path
        self._tokens = list(self._scan(text))
        self._at = 0

    def _scan(self, text: str) -> Iterator[_Token]:
        place, line = 0, 1
        while place < len(text):
            match = _TOKEN.match(text, place)
            if match is None:
                found = "an unterminated string" if text[place] in "\"'" else repr(text[place])
                raise self._error(line, f"expected a field, found {found}")
            kind = match.lastgroup or ""
            if kind != "space":
                yield _Token(kind, match.group(), place, match.end(), line)
            line += match.group().count("\n")
            place = match.end()
        yield _Token("end", "the end of the file", place, place, line)

    def _error(self, line: int, message: str) -> ModelError:
        return ModelError(f"{self._path}:{line}: {message}")

    def _expected(self, what: str) -> ModelError:
        token = self._peek()
        found = token.text if token.kind == "end" else f"'{token.text}'"
        return self._error(token.line, f"expected {what}, found {found}")

    def _peek(self) -> _Token:
        return self._tokens[self._at]

    def _take(self) -> _Token:
        self._at += 1
        return self._tokens[self._at - 1]

    def _skip(self, signs: str) -> bool:
        token = self._peek()
        if token.kind == "sign" and token.text in signs:
            self._at += 1
            return True
        return False

    def fields(self, closing: str | None, depth: int) -> tuple[Field, ...]:
        """Fields up to ``closing`` (left unread) or the end of the file."""
        if depth > _DEPTH:
            raise self._error(self._peek().line, f"expected at most {_DEPTH} nested blocks")
        found: list[Field] = []
        while True:
            token = self._peek()
            if token.kind == "end" and closing is None:
                return tuple(found)
            if token.kind == "sign" and token.text == closing:
                return tuple(found)
            found.append(self._field(closing, depth))
            while self._skip(",;"):
                pass

    def _field(self, closing: str | None, depth: int) -> Field:
        token = self._peek()
        name = self._name(closing)
        if self._skip(":"):
            if self._skip("["):
                return self._field_of(name, self._list(depth), token)
            return self._field_of(name, (self._value(depth),), token)
        if self._peek().kind == "sign" and self._peek().text in _CLOSING:
            return self._field_of(name, (self._block(depth),), token)
        raise self._expected(f"':' or '{{' after '{name}'")

    def _field_of(self, name: str, values: tuple[Scalar | Block, ...], first: _Token) -> Field:
        return Field(name, values, first.start, self._tokens[self._at - 1].end, first.line)

    def _name(self, closing: str | None) -> str:
        if self._skip("["):
            inner = self._peek()
            self._at += inner.kind == "word"
            if inner.kind != "word" or not self._skip("]"):
                raise self._expected("']' after an extension name")
            return f"[{inner.text}]"
        token = self._peek()
        if token.kind != "word" or not (token.text[0].isalpha() or token.text[0] == "_"):
            raise self._expected("a field name" + (f" or '{closing}'" if closing else ""))
        return self._take().text

    def _list(self, depth: int) -> tuple[Scalar | Block, ...]:
        values: list[Scalar | Block] = []
        while not self._skip("]"):
            if values and not self._skip(","):
                raise self._expected("',' or ']'")
            values.append(self._value(depth))
        return tuple(values)

    def _value(self, depth: int) -> Scalar | Block:
        token = self._peek()
        if token.kind == "sign" and token.text in _CLOSING:
            return self._block(depth)
        if token.kind == "word":
            self._take()
            return Scalar(token.text, token.start, token.end, token.line)
        if token.kind == "string":
            return self._string()
        raise self._expected("a value")

    def _string(self) -> Scalar:
        first = last = self._take()
        text = first.text
        while self._peek().kind == "string":
            last = self._take()
            text += last.text
        return Scalar(text, first.start, last.end, first.line)

    def _block(self, depth: int) -> Block:
        opening = self._take()
        closing = _CLOSING[opening.text]
        fields = self.fields(closing, depth + 1)
        end = self._take()
        return Block(fields, opening.start, end.end, opening.line)
