"""Seeded damage to the files of TensorFlow and Keras, at the level of bytes, text and values."""

from __future__ import annotations

import json
import random
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

NUMBERS = (0, -1, 1, 2, 3, 7, 255, 2**31 - 1, 2**31, -(2**31), 2**63 - 1, -(2**63), 10**18)
VALUES: tuple[Any, ...] = (
    None,
    True,
    False,
    "",
    "x",
    "NaN",
    [],
    {},
    [1, 2],
    {"a": 1},
    1.5,
    float("inf"),
    -1e308,
)


def damaged_bytes(content: bytes, rng: random.Random) -> bytes:
    """One of: bits flipped, a part gone, twice, overwritten, or the end cut."""
    data = bytearray(content)
    start = rng.randrange(len(data))
    length = rng.choice((1, 1, 2, 4, 8, 64, 512))
    kind = rng.randrange(6)
    if kind == 0:
        for _ in range(rng.choice((1, 1, 2, 8))):
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    elif kind == 1:
        del data[start : start + length]
    elif kind == 2:
        data[start:start] = data[start : start + length]
    elif kind == 3:
        data[start : start + length] = rng.randbytes(length)
    elif kind == 4:
        del data[start:]
    else:
        data[start : start + length] = bytes([rng.choice((0, 255, 128, 127))]) * length
    return bytes(data)


def damaged_text(content: bytes, rng: random.Random) -> bytes:
    """One of: a line gone, twice, moved, or a number or word in it changed."""
    lines = content.decode("utf-8").split("\n")
    position = rng.randrange(len(lines))
    kind = rng.randrange(6)
    if kind == 0:
        del lines[position : position + rng.choice((1, 1, 3))]
    elif kind == 1:
        lines.insert(position, lines[rng.randrange(len(lines))])
    elif kind == 2:
        other = rng.randrange(len(lines))
        lines[position], lines[other] = lines[other], lines[position]
    else:
        words = lines[position].split(" ")
        spot = rng.randrange(len(words))
        choices = (str(rng.choice(NUMBERS)), '"Conv2D"', '"x"', '"Placeholder"', "DT_INT64", "true")
        words[spot] = rng.choice(choices)
        lines[position] = " ".join(words)
    return "\n".join(lines).encode()


def damaged_value(value: Any, rng: random.Random) -> Any:
    """A JSON value with one thing in it changed, gone or moved."""
    positions: list[tuple[Any, Any]] = []

    def visit(one: Any) -> None:
        pairs = one.items() if isinstance(one, dict) else enumerate(one)
        for key, inner in pairs:
            positions.append((one, key))
            if isinstance(inner, dict | list):
                visit(inner)

    visit(value)
    holder, key = rng.choice(positions)
    kind = rng.randrange(4)
    if kind == 0:
        del holder[key]
    elif kind == 1:
        holder[key] = rng.choice(NUMBERS)
    elif kind == 2:
        holder[key] = rng.choice(VALUES)
    else:
        other, there = rng.choice(positions)
        if there in other if isinstance(other, dict) else there < len(other):
            holder[key] = json.loads(json.dumps(other[there]))
    return value


def damaged_message(message: Any, rng: random.Random) -> Any:
    """A protobuf with one field in it changed, gone or twice."""
    from google.protobuf.message import Message

    positions: list[tuple[Any, Any]] = []

    def visit(one: Any) -> None:
        for field, value in one.ListFields():
            positions.append((one, field))
            repeated = not isinstance(value, Message | bytes | str | int | float)
            for inner in (
                (value.values() if hasattr(value, "values") else value) if repeated else ()
            ):
                if isinstance(inner, Message):
                    visit(inner)
            if isinstance(value, Message):
                visit(value)

    visit(message)
    holder, field = rng.choice(positions)
    value = getattr(holder, field.name)
    if rng.randrange(4) == 0:
        holder.ClearField(field.name)
        return message
    if isinstance(value, bool | int | float | str | bytes):
        news: dict[type, Any] = {
            bool: not value,
            int: rng.choice((0, 1, -1, 2, 3, 9, 2**31 - 1)),
            float: rng.choice((0.0, float("nan"), -1.0)),
            str: rng.choice(("", "x", str(value) + ":1", "é")),
            bytes: rng.choice((b"", b"SAME", b"\xff", b"NHWC")),
        }
        try:
            setattr(holder, field.name, news[type(value)])
        except ValueError:
            holder.ClearField(field.name)
        return message
    if hasattr(value, "keys"):
        key = rng.choice(list(value.keys()))
        del value[key]
    elif hasattr(value, "__len__"):
        spot = rng.randrange(len(value))
        if rng.random() < 0.5:
            del value[spot]
        else:
            value.append(value[spot])
    else:
        holder.ClearField(field.name)
    return message


def in_zip(path: Path, name: str, change: Callable[[bytes], bytes]) -> None:
    """Change one part of a zip file."""
    with zipfile.ZipFile(path) as archive:
        parts = {one: archive.read(one) for one in archive.namelist()}
    parts[name] = change(parts[name])
    with zipfile.ZipFile(path, "w") as archive:
        for one, content in parts.items():
            archive.writestr(one, content)
