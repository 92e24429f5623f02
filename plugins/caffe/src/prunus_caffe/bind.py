"""Text-format blocks as typed Caffe messages, tolerant of fields the schema does not know."""

from __future__ import annotations

import difflib
import math
from pathlib import Path
from typing import Any

import attrs

from prunus.plugin import ModelError, TextBlock, TextField, TextScalar
from prunus_caffe.schema import message

_TRUE = ("true", "True", "t", "1")
_FALSE = ("false", "False", "f", "0")
_INTEGERS = {"int32": (-(2**31), 2**31), "uint32": (0, 2**32), "int64": (-(2**63), 2**63)}


NEAR = 0.8
"""Names as alike as this (``difflib``) are taken for misspelt."""


@attrs.frozen
class Unknown:
    """A field that the schema does not know; it is kept in the text, not read.

    Attributes:
        path: ``field.path``.
        line: Line of the file.
        near: A known field of that message with nearly the same name.
    """

    path: str
    line: int
    near: str | None

    def __str__(self) -> str:
        hint = "" if self.near is None else f"; did you mean '{self.near}'?"
        return f"unknown field '{self.path}'{hint}"


@attrs.frozen(eq=False)
class Bound:
    """A message and what the schema could not take.

    Attributes:
        message: Protobuf message with defaults for what is not said.
        unknown: Fields that the schema does not know.
        foreign: Sentences about enum values that Caffe does not define.
    """

    message: Any
    unknown: tuple[Unknown, ...]
    foreign: tuple[str, ...]


def bind(block: TextBlock, name: str, path: Path) -> Bound:
    """Read a block as message ``name``.

    Raises:
        ModelError: a value does not fit its field's type, or a singular field
            is given twice (file and line are named).
    """
    target = message(name)()
    binder = _Binder(path)
    binder.fill(target, block, "")
    return Bound(target, tuple(binder.unknown), tuple(binder.foreign))


class _Binder:
    def __init__(self, path: Path) -> None:
        self._path = path
        self.unknown: list[Unknown] = []
        self.foreign: list[str] = []

    def fill(self, target: Any, block: TextBlock, prefix: str) -> None:
        fields = target.DESCRIPTOR.fields_by_name
        seen: dict[str, int] = {}
        for field in block.fields:
            known = fields.get(field.name)
            if known is None:
                near = difflib.get_close_matches(field.name, fields, 1, NEAR)
                path = prefix + field.name
                self.unknown.append(Unknown(path, field.line, near[0] if near else None))
                continue
            if not known.is_repeated and field.name in seen:
                raise self._error(
                    field.line,
                    f"expected '{field.name}' once, it is given in line {seen[field.name]} too",
                )
            seen[field.name] = field.line
            self._assign(target, known, field, prefix)

    def _assign(self, target: Any, known: Any, field: TextField, prefix: str) -> None:
        if not known.is_repeated and len(field.values) != 1:
            raise self._error(field.line, f"expected one value for '{field.name}', found a list")
        for value in field.values:
            if known.message_type is not None:
                if isinstance(value, TextScalar):
                    raise self._error(value.line, f"expected '{{' after '{field.name}'")
                inner = getattr(target, field.name)
                inner = inner.add() if known.is_repeated else inner
                inner.SetInParent()
                self.fill(inner, value, f"{prefix}{field.name}.")
                continue
            if isinstance(value, TextBlock):
                raise self._error(value.line, f"expected a value for '{field.name}', found a block")
            read = self._scalar(known, value, prefix)
            if read is None:
                continue
            if known.is_repeated:
                getattr(target, field.name).append(read)
            else:
                setattr(target, field.name, read)

    def _scalar(self, known: Any, value: TextScalar, prefix: str) -> Any:
        kind = _kind(known)
        if kind == "enum":
            return self._enum(known, value, prefix)
        if kind in ("string", "bytes"):
            if not value.quoted:
                raise self._error(
                    value.line, f"expected a quoted string for '{known.name}', found '{value.text}'"
                )
            text = value.string().encode("utf-8", "surrogateescape")
            return text if kind == "bytes" else text.decode("utf-8", "replace")
        read = None if value.quoted else _number(kind, value.text)
        if read is None:
            wanted = {"bool": "true or false", "float": "a number", "double": "a number"}
            raise self._error(
                value.line,
                f"expected {wanted.get(kind, 'an integer')} for '{known.name}', "
                f"found '{value.text}'",
            )
        return read

    def _enum(self, known: Any, value: TextScalar, prefix: str) -> int | None:
        values = known.enum_type.values_by_name
        if value.text in values:
            return int(values[value.text].number)
        number = _number("int32", value.text)
        if number is not None and number in known.enum_type.values_by_number:
            return int(number)
        self.foreign.append(f"{prefix}{known.name} is '{value.text}'")
        return None

    def _error(self, line: int, message: str) -> ModelError:
        return ModelError(f"{self._path}:{line}: {message}")


def _kind(known: Any) -> str:
    """Type name of a field as the table spells it."""
    names = {1: "double", 2: "float", 3: "int64", 4: "uint64", 5: "int32", 8: "bool",
             9: "string", 12: "bytes", 13: "uint32", 14: "enum"}  # fmt: skip
    return names[known.type]


def _number(kind: str, text: str) -> Any:
    if kind == "bool":
        return True if text in _TRUE else False if text in _FALSE else None
    try:
        if kind in ("float", "double"):
            if text.lower().lstrip("+-") in ("nan", "inf", "infinity"):
                return float(text)
            value = float(text.rstrip("fF"))
            if kind == "float" and math.isfinite(value) and abs(value) > 3.4028235e38:
                return math.copysign(math.inf, value)
            return value
        number = int(text, 0) if not text.lstrip("+-0").isdigit() else int(text)
    except ValueError:
        return None
    low, high = _INTEGERS.get(kind, (-(2**63), 2**63))
    return number if low <= number < high else None
