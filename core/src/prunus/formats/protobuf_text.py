"""Protobuf text format, read for editing.

Source: https://protobuf.dev/reference/protobuf/textformat-spec/

Tolerant to what is seen in the wild: comments, any spacing, ``a: b`` and ``a { }`` and
``a: { }``, ``< >`` instead of braces, ``[1, 2]`` lists, separators ``,`` and ``;``, unknown
fields. Nothing is re-emitted: an edit replaces the characters of one value, everything else
stays byte for byte.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import attrs

from prunus.errors import ModelError
from prunus.formats.text_document import TextBlock, TextDocument, TextField, TextScalar
from prunus.regular_files import read_regular

_TOKEN = re.compile(
    r"""(?P<space>[\s\ufeff]+|\#[^\n]*)
    |(?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
    |(?P<word>[-+]?[A-Za-z0-9_.][A-Za-z0-9_.+\-/]*)
    |(?P<sign>[:{}<>\[\],;])""",
    re.VERBOSE,
)
_CLOSING = {"{": "}", "<": ">"}
_DEPTH = 64


def read_protobuf_text(path: Path) -> TextDocument:
    """Parse a file.

    Raises:
        ModelError: it is missing or not a text-format message.
    """
    try:
        data = read_regular(path)
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    if b"\0" in data[:4096]:
        raise ModelError(f"{path}: expected a text file, found binary data")
    return parse_protobuf_text(data.decode("utf-8", "surrogateescape"), path)


def encode_text(text: str) -> bytes:
    """The bytes of a document's text: undoes the decoding of `read_protobuf_text`."""
    return text.encode("utf-8", "surrogateescape")


def parse_protobuf_text(text: str, path: Path) -> TextDocument:
    """Parse text.

    Raises:
        ModelError: with file, line and what was expected.
    """
    parser = _Parser(text, path)
    fields = parser.fields(None, 0)
    return TextDocument(path, text, TextBlock(fields, 0, len(text), 1))


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
        self._tokens = self._scan(text)
        self._token = next(self._tokens)
        self._end = 0

    def _scan(self, text: str) -> Iterator[_Token]:
        position, line = 0, 1
        while position < len(text):
            match = _TOKEN.match(text, position)
            if match is None:
                found = (
                    "an unterminated string" if text[position] in "\"'" else repr(text[position])
                )
                raise self._error(line, f"expected a field, found {found}")
            kind = match.lastgroup or ""
            if kind != "space":
                yield _Token(kind, match.group(), position, match.end(), line)
            line += match.group().count("\n")
            position = match.end()
        yield _Token("end", "the end of the file", position, position, line)

    def _error(self, line: int, message: str) -> ModelError:
        return ModelError(f"{self._path}:{line}: {message}")

    def _expected(self, what: str) -> ModelError:
        token = self._token
        found = token.text if token.kind == "end" else f"'{token.text}'"
        return self._error(token.line, f"expected {what}, found {found}")

    def _take(self) -> _Token:
        taken = self._token
        self._token = next(self._tokens, taken)
        self._end = taken.end
        return taken

    def _skip(self, signs: str) -> bool:
        if self._token.kind == "sign" and self._token.text in signs:
            self._take()
            return True
        return False

    def fields(self, closing: str | None, depth: int) -> tuple[TextField, ...]:
        """Fields up to ``closing`` (left unread) or the end of the file."""
        if depth > _DEPTH:
            raise self._error(self._token.line, f"expected at most {_DEPTH} nested blocks")
        found: list[TextField] = []
        while True:
            token = self._token
            if token.kind == "end" and closing is None:
                return tuple(found)
            if token.kind == "sign" and token.text == closing:
                return tuple(found)
            found.append(self._field(closing, depth))

    def _field(self, closing: str | None, depth: int) -> TextField:
        token = self._token
        name = self._name(closing)
        scalars = self._skip(":")
        listed = self._skip("[")
        if listed:
            values = self._list(depth)
        elif scalars or (self._token.kind == "sign" and self._token.text in _CLOSING):
            values = (self._value(depth),)
        else:
            raise self._expected(f"':' or '{{' after '{name}'")
        end = self._end
        while self._skip(",;"):
            pass
        return TextField(name, values, token.start, end, token.line, listed, self._end)

    def _name(self, closing: str | None) -> str:
        if self._skip("["):
            inner = self._token
            if inner.kind == "word":
                self._take()
            if inner.kind != "word" or not self._skip("]"):
                raise self._expected("']' after an extension name")
            return f"[{inner.text}]"
        token = self._token
        if token.kind != "word" or not (token.text[0].isalpha() or token.text[0] == "_"):
            raise self._expected("a field name" + (f" or '{closing}'" if closing else ""))
        return self._take().text

    def _list(self, depth: int) -> tuple[TextScalar | TextBlock, ...]:
        values: list[TextScalar | TextBlock] = []
        while not self._skip("]"):
            if values and not self._skip(","):
                raise self._expected("',' or ']'")
            values.append(self._value(depth))
        return tuple(values)

    def _value(self, depth: int) -> TextScalar | TextBlock:
        token = self._token
        if token.kind == "sign" and token.text in _CLOSING:
            return self._block(depth)
        if token.kind == "word":
            self._take()
            return TextScalar(token.text, token.start, token.end, token.line)
        if token.kind == "string":
            return self._string()
        raise self._expected("a value")

    def _string(self) -> TextScalar:
        first = last = self._take()
        text = first.text
        while self._token.kind == "string":
            last = self._take()
            text += last.text
        return TextScalar(text, first.start, last.end, first.line)

    def _block(self, depth: int) -> TextBlock:
        opening = self._take()
        closing = _CLOSING[opening.text]
        fields = self.fields(closing, depth + 1)
        end = self._take()
        return TextBlock(fields, opening.start, end.end, opening.line)
