"""One shared tensor as three streams (codebook, positions, codes), and back."""

from __future__ import annotations

import math
from typing import Annotated, Literal

import attrs
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from prunus.compression.positions import FORMS
from prunus.compression.shared import Shared
from prunus.compression.streams import Bytes, DamageError, coded, decoded, possible, shortest

Count = Annotated[int, Meta(ge=0, le=2**48)]
Dtype = Literal["<f2", "<f4", "<f8"]

_PER_BYTE = (1, 2, 4, 8)
"""Codes a byte can hold."""


@attrs.frozen
class TensorHead:
    """What the header says about one tensor.

    Attributes:
        name: Name of the weight, for people.
        shape: Sizes in the order of the native file, the last axis the fastest.
        dtype: Kind of its numbers, as numpy writes it.
        values: Number of distinct values other than zero.
        weights: Number of weights other than zero.
        positions: ``all``: there are no zeros; else the form of the positions.
        position_bytes: Length of that stream before it was coded.
        per_byte: Codes in one byte of their stream.
        streams: Coded lengths of codebook, positions and codes, in the order of the file.
    """

    name: str
    shape: tuple[Count, ...]
    dtype: Dtype
    values: Annotated[int, Meta(ge=0, le=256)]
    weights: Count
    positions: Literal["all", "gaps", "mask"]
    position_bytes: Count
    per_byte: Literal[1, 2, 4, 8]
    streams: tuple[Count, Count, Count]

    @property
    def size(self) -> int:
        """Number of weights, zeros too."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes in the native file."""
        return self.size * int(self.dtype[-1])


def encode(name: str, shared: Shared) -> tuple[TensorHead, list[bytes]]:
    """Header and coded streams of a tensor."""
    codebook, codes = shared.codebook, shared.codes.reshape(-1)
    zero = shared.zero
    form, positions, length = "all", b"", 0
    if zero is not None:
        places = np.flatnonzero(codes != zero)
        streams = {key: make(places, codes.size) for key, (make, _) in FORMS.items()}
        form, positions = shortest(streams)
        length = streams[form].size
        codebook = np.delete(codebook, zero)
        codes = codes[places]
        codes -= codes > zero
    packings = {str(many): _packed(codes, many) for many in _PER_BYTE if codebook.size**many <= 256}
    per_byte, values = shortest(packings)
    table = coded(_planes(codebook))
    head = TensorHead(
        name,
        shared.codes.shape,
        codebook.dtype.newbyteorder("<").str,  # type: ignore[arg-type]
        codebook.size,
        codes.size,
        form,  # type: ignore[arg-type]
        length,
        int(per_byte),  # type: ignore[arg-type]
        (len(table), len(positions), len(values)),
    )
    return head, [table, positions, values]


def decode(head: TensorHead, streams: list[Bytes]) -> NDArray[np.floating]:
    """The tensor's numbers ``(size,)`` in the order of the file.

    Everything that is allocated was checked to be possible: see `check`.

    Raises:
        DamageError: the streams do not give what the header says.
    """
    table, positions, values = streams
    dtype = np.dtype(head.dtype)
    codebook = _numbers(_array(table, head.values * dtype.itemsize), dtype)
    codes = _codes(_array(values, -(-head.weights // head.per_byte)), head)
    if codes.size and int(codes.max()) >= codebook.size:
        raise DamageError("names a value that its codebook does not have")
    if head.positions == "all":
        return codebook[codes]
    _, places_of = FORMS[head.positions]
    numbers = np.zeros(head.size, dtype)
    done = 0
    for places in places_of(_array(positions, head.position_bytes), head.size):
        part = codes[done : done + places.size]
        done += places.size
        if done > codes.size:
            break
        numbers[places] = codebook[part]
    if done != codes.size:
        raise DamageError("has more or fewer positions than codes")
    return numbers


def check(head: TensorHead) -> None:
    """Refuse, before anything is allocated, what no encoder can have written.

    Raises:
        DamageError: the numbers of the header contradict each other.
    """
    table, positions, values = head.streams
    whole = head.positions == "all"
    sound = (
        (head.weights == head.size if whole else head.weights <= head.size)
        and (head.position_bytes == 0 if whole else head.position_bytes <= head.size)
        and (head.values > 0 or head.weights == 0)
        and head.values**head.per_byte <= 256
        and possible(head.values * int(head.dtype[-1]), table)
        and possible(head.position_bytes, positions)
        and possible(-(-head.weights // head.per_byte), values)
    )
    if not sound:
        raise DamageError("states numbers that contradict each other")


def _array(code: Bytes, size: int) -> NDArray[np.uint8]:
    return np.frombuffer(decoded(code, size), np.uint8)


def _packed(codes: NDArray[np.uint8], many: int) -> NDArray[np.uint8]:
    """Several codes a byte, the first in the highest bits."""
    if many == 1:
        return codes
    width = 8 // many
    padded = np.zeros(-(-codes.size // many) * many, np.uint8)
    padded[: codes.size] = codes
    bits = padded.reshape(-1, many) << (np.arange(many - 1, -1, -1, dtype=np.uint8) * width)
    packed: NDArray[np.uint8] = np.bitwise_or.reduce(bits, axis=1).astype(np.uint8)
    return packed


def _codes(stream: NDArray[np.uint8], head: TensorHead) -> NDArray[np.uint8]:
    if head.per_byte == 1:
        return stream
    width = 8 // head.per_byte
    shifts = np.arange(head.per_byte - 1, -1, -1, dtype=np.uint8) * width
    codes: NDArray[np.uint8] = (stream[:, None] >> shifts) & np.uint8(2**width - 1)
    return codes.reshape(-1)[: head.weights]


def _planes(numbers: NDArray[np.floating]) -> NDArray[np.uint8]:
    """First bytes of all numbers, then second ones, …: bytes that are alike stand together."""
    little = np.ascontiguousarray(numbers, numbers.dtype.newbyteorder("<"))
    return np.ascontiguousarray(little.view(np.uint8).reshape(-1, little.itemsize).T).reshape(-1)


def _numbers(planes: NDArray[np.uint8], dtype: np.dtype[np.floating]) -> NDArray[np.floating]:
    return np.ascontiguousarray(planes.reshape(dtype.itemsize, -1).T).reshape(-1).view(dtype)
