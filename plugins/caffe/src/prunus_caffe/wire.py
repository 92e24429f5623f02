"""Protobuf's wire format, read without copying: where every field of a message lies.

A caffemodel of half a gigabyte is mostly a few packed float arrays. Walking the
wire keeps unknown fields byte for byte, costs no memory, and has no size limit
(protobuf's own is 2 GB).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import attrs

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
_LARGEST = (1 << 29) - 1


class WireError(Exception):
    """The bytes are not a protobuf message."""


@attrs.frozen
class WireField:
    """One field.

    Attributes:
        number: Field number.
        kind: Wire type.
        start: First byte of the tag.
        value: First byte of the value (after the length of a `BYTES` field).
        end: First byte after the value.
        integer: The value of a `VARINT` field, else 0.
    """

    number: int
    kind: int
    start: int
    value: int
    end: int
    integer: int = 0


def fields(data: Any, start: int, end: int) -> Iterator[WireField]:
    """Fields of the message in ``data[start:end]``.

    Raises:
        WireError: with the byte position.
    """
    position = start
    while position < end:
        tag, after = varint(data, position, end)
        number, kind = tag >> 3, tag & 7
        if not 0 < number <= _LARGEST:
            raise WireError(f"byte {position}: no field has number {number}")
        integer = 0
        value = after
        if kind == VARINT:
            integer, stop = varint(data, after, end)
        elif kind == BYTES:
            length, value = varint(data, after, end)
            stop = value + length
        elif kind in (FIXED32, FIXED64):
            stop = after + (4 if kind == FIXED32 else 8)
        else:
            raise WireError(f"byte {position}: wire type {kind} is not in use")
        if stop > end:
            raise WireError(
                f"byte {position}: field {number} ends {stop - end} bytes after its message"
            )
        yield WireField(number, kind, position, value, stop, integer)
        position = stop


def varint(data: Any, position: int, end: int) -> tuple[int, int]:
    """Unsigned integer at ``position`` and the position after it."""
    result = shift = 0
    while position < end and shift < 64:
        byte = data[position]
        position += 1
        result |= (byte & 0x7F) << shift
        if byte < 0x80:
            return result, position
        shift += 7
    raise WireError(f"byte {position}: the file ends inside a number")


def encode_varint(value: int) -> bytes:
    """Unsigned integer as bytes; negative ones as Caffe's int32 and int64 do."""
    value &= (1 << 64) - 1
    parts = bytearray()
    while value >= 0x80:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    parts.append(value)
    return bytes(parts)


def tag(number: int, kind: int) -> bytes:
    """Tag bytes of a field."""
    return encode_varint(number << 3 | kind)


def bytes_field(number: int, content: bytes) -> bytes:
    """A whole length-delimited field."""
    return tag(number, BYTES) + encode_varint(len(content)) + content
