"""Damage to files, drawn from a seed: bits, cuts, numbers, keys, nesting, messages."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import numpy as np
from google.protobuf.message import Message

Draw = np.random.Generator

NUMBERS = [
    b"0", b"-1", b"1", b"3", b"2147483648", b"-9223372036854775809", b"99999999999", b"1e999",
    b"-1e-45", b"nan", b"inf", b"0.5", b"9" * 5000, b"", b"07", b"0x10",
]  # fmt: skip
WORDS = [
    b"{", b"}", b'"', b"'", b":", b"=", b",", b"#", b"\0", b"\xff\xfe", b"\n", b"\r", b"\x1b[31m",
    b"null", b"true", b"../../x", b"A" * 70_000, b"[" * 10_000, b"{ a " * 10_000, "größe".encode(),
    b"\xed\xa0\x80", b"%s%n", b"layer", b"[/bold]",
]  # fmt: skip
_NUMBER = re.compile(rb"-?\d+(?:\.\d+)?(?:e[-+]?\d+)?")
_WORD = re.compile(rb"[A-Za-z_][\w./-]*")


def damaged(data: bytes, draw: Draw, form: str) -> bytes:
    """One to three damages, as the form of the file allows.

    Args:
        data: The sound file.
        draw: Random numbers.
        form: ``text``, ``json``, ``bytes``, or ``message:module:Name`` of a protobuf message.
    """
    if form == "json" and draw.random() < 0.6:
        return _json(data, draw)
    if form.startswith("message:") and draw.random() < 0.6:
        return _message(data, draw, form)
    kinds = [*_BYTES, *(_TEXT if form in ("text", "json") else ())]
    for _ in range(draw.integers(1, 4)):
        data = kinds[draw.integers(len(kinds))](data, draw)
    return data


def _span(data: bytes, draw: Draw) -> tuple[int, int]:
    start = int(draw.integers(len(data) + 1))
    return start, start + int(draw.choice([1, 4, 16, 64, 512, len(data)]))


def _flip(data: bytes, draw: Draw) -> bytes:
    found = bytearray(data)
    for _ in range(int(draw.choice([1, 1, 2, 8, 64]))):
        if found:
            found[draw.integers(len(found))] ^= 1 << int(draw.integers(8))
    return bytes(found)


def _cut(data: bytes, draw: Draw) -> bytes:
    return data[: draw.integers(len(data) + 1)]


def _removed(data: bytes, draw: Draw) -> bytes:
    start, end = _span(data, draw)
    return data[:start] + data[end:]


def _spliced(data: bytes, draw: Draw) -> bytes:
    start, end = _span(data, draw)
    position = int(draw.integers(len(data) + 1))
    return data[:position] + data[start:end] + data[position:]


def _filled(data: bytes, draw: Draw) -> bytes:
    start, end = _span(data, draw)
    size = min(end, len(data)) - start
    return data[:start] + bytes([int(draw.choice([0, 255, 127]))]) * max(size, 0) + data[end:]


def _inserted(data: bytes, draw: Draw) -> bytes:
    position = int(draw.integers(len(data) + 1))
    return data[:position] + WORDS[draw.integers(len(WORDS))] + data[position:]


def _one(pattern: re.Pattern[bytes], data: bytes, draw: Draw, new: bytes) -> bytes:
    found = list(pattern.finditer(data))
    if not found:
        return data
    start, end = found[draw.integers(len(found))].span()
    return data[:start] + new + data[end:]


def _number(data: bytes, draw: Draw) -> bytes:
    return _one(_NUMBER, data, draw, NUMBERS[draw.integers(len(NUMBERS))])


def _word(data: bytes, draw: Draw) -> bytes:
    others = [*_WORD.findall(data), *WORDS, b""]
    return _one(_WORD, data, draw, others[draw.integers(len(others))])


def _lines(data: bytes, draw: Draw) -> bytes:
    lines = data.splitlines(keepends=True)
    if lines:
        line = lines.pop(draw.integers(len(lines)))
        for _ in range(int(draw.choice([0, 1, 2]))):
            lines.insert(draw.integers(len(lines) + 1), line)
    return b"".join(lines)


_BYTES: tuple[Callable[[bytes, Draw], bytes], ...] = (
    _flip, _cut, _removed, _spliced, _filled, _inserted,
)  # fmt: skip
_TEXT = (_number, _number, _number, _word, _word, _lines)

_VALUES: list[Any] = [
    None, True, -1, 0, 2**70, 1e308, float("inf"), float("nan"), "", "x" * 5000, "../../x",
    "\0", "\x1b[31m", [], {}, [None], {"x": 1}, "\ud800",
]  # fmt: skip


def _json(data: bytes, draw: Draw) -> bytes:
    """One value or key of one JSON document (of one line, where each line is one)."""
    lines = data.decode().splitlines()
    position = int(draw.integers(len(lines))) if data[:1] == b"{" and len(lines) > 1 else None
    try:
        value = json.loads(data.decode())
        position = None
    except ValueError:
        if position is None:
            return _flip(data, draw)
        value = json.loads(lines[position])
    text = json.dumps(_changed(value, draw), indent=1 if position is None else None)
    if position is None:
        return text.encode()
    return "\n".join([*lines[:position], text, *lines[position + 1 :]]).encode() + b"\n"


def _changed(value: Any, draw: Draw) -> Any:
    if not isinstance(value, dict | list) or not value or draw.random() < 0.05:
        return _VALUES[draw.integers(len(_VALUES))]
    if isinstance(value, list):
        position = int(draw.integers(len(value)))
        return [*value[:position], _changed(value[position], draw), *value[position + 1 :]]
    key = list(value)[draw.integers(len(value))]
    left = {name: one for name, one in value.items() if name != key}
    kind = draw.integers(6)
    if kind == 0:
        return left
    if kind == 1:
        return {**left, f"{key}x": value[key]}
    return {**value, key: _changed(value[key], draw)}


_TEXTS = ["", "x", "Conv", "Identity", "../../x", "\x1b[31m", "a" * 5000, "größe", "0"]
_INTEGERS = [0, 1, -1, 2, 3, 7, 255, 2**31 - 1, -(2**31)]


def _message(data: bytes, draw: Draw, form: str) -> bytes:
    """One field of one protobuf message, however deep."""
    from importlib import import_module

    _, module, name = form.split(":")
    made = getattr(import_module(module), name)
    message = made()
    message.ParseFromString(data)
    for _ in range(draw.integers(1, 3)):
        _field(message, draw)
    return bytes(message.SerializeToString())


def _field(message: Message, draw: Draw) -> None:
    fields = message.ListFields()
    if not fields:
        return
    field, value = fields[draw.integers(len(fields))]
    several = field.is_repeated if hasattr(field, "is_repeated") else field.label == 3
    if several and not hasattr(value, "items"):
        position = int(draw.integers(len(value)))
        if field.message_type is not None and draw.random() < 0.8:
            _field(value[position], draw)
        elif field.message_type is not None or draw.random() < 0.3:
            del value[position]
        else:
            value[position] = _scalar(value[position], draw)
    elif field.message_type is not None and not several:
        _field(value, draw) if draw.random() < 0.9 else message.ClearField(field.name)
    elif draw.random() < 0.2 or several:
        message.ClearField(field.name)
    else:
        try:
            setattr(message, field.name, _scalar(value, draw))
        except ValueError:
            message.ClearField(field.name)


def _scalar(value: Any, draw: Draw) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return _INTEGERS[draw.integers(len(_INTEGERS))]
    if isinstance(value, float):
        return float(draw.choice([0, -1, 1e30, np.inf, np.nan]))
    if isinstance(value, str):
        return _TEXTS[draw.integers(len(_TEXTS))]
    return _flip(value, draw) if draw.random() < 0.5 else _cut(value, draw)
