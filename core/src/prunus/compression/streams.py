"""Streams of bytes, entropy-coded as DEFLATE (RFC 1951) by the standard library's zlib.

Huffman's codes alone are within 1 % of the entropy where symbols take some bits each; streams of
short codes are packed several a byte first (`prunus.compression.tensors`). Repetitions (empty rows,
text) are looked for in streams small enough to try.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

_RAW, _MEMORY = -15, 9
"""DEFLATE without a wrapper; as many symbols a table as zlib can."""

_TRIED = 1 << 16
"""Bytes of the longest stream that is coded in every way to take the shortest: the search for
repetitions takes a hundred times as long as Huffman's code."""

_LARGEST_RATIO = 1032
"""DEFLATE makes no more bytes of one (258 of 2 bits)."""

_PIECE = 1 << 18
"""Bytes that are made in one go."""

_FED = 1 << 16
"""Bytes of a code that are given in one go: what is not used yet is copied every time."""

Bytes = bytes | memoryview


class DamageError(Exception):
    """A stream is not what was declared."""


def coded(data: NDArray[np.uint8]) -> bytes:
    """The shortest code of a stream; Huffman's alone for a long one."""
    huffman = _deflated((data.data,), zlib.Z_HUFFMAN_ONLY)
    if data.size > _TRIED:
        return huffman
    return min(huffman, _deflated((data.data,), zlib.Z_DEFAULT_STRATEGY), key=len)


def coded_rest(pieces: Iterable[Bytes]) -> bytes:
    """One code of many pieces, repetitions among them used."""
    return _deflated(pieces, zlib.Z_DEFAULT_STRATEGY)


def shortest(forms: Mapping[str, NDArray[np.uint8]]) -> tuple[str, bytes]:
    """The form of a stream with the shortest code; long ones are judged by their entropy."""
    if max(form.size for form in forms.values()) > _TRIED:
        name = min(forms, key=lambda key: entropy(forms[key]))
        return name, coded(forms[name])
    found = {name: coded(form) for name, form in forms.items()}
    name = min(found, key=lambda key: len(found[key]))
    return name, found[name]


def entropy(data: NDArray[np.uint8]) -> float:
    """Bytes that a stream takes where every symbol takes the logarithm of its frequency."""
    counts = np.bincount(data, minlength=1)
    counts = counts[counts > 0]
    return float((counts * np.log2(data.size / counts)).sum()) / 8 if data.size else 0.0


def possible(size: int, coded_size: int) -> bool:
    """Whether a code of this length can hold as many bytes."""
    return size <= coded_size * _LARGEST_RATIO


def decoded(code: Bytes, size: int) -> bytes:
    """A stream of a known length, of which no more than that is ever held.

    Raises:
        DamageError: the code is broken, or of another length.
    """
    return b"".join(Decoding(code).read(size, last=True))


class Decoding:
    """A code that is read piece by piece."""

    def __init__(self, code: Bytes) -> None:
        """Begin."""
        self._code = memoryview(code)
        self._fed = 0
        self._state = zlib.decompressobj(_RAW)

    def read(self, size: int, *, last: bool = False) -> Iterator[bytes]:
        """The next bytes in pieces; ``last``: nothing may follow.

        Raises:
            DamageError: the code is broken, or holds less, or more where it should end.
        """
        while size:
            piece = self._next(min(size, _PIECE))
            if not piece:
                raise DamageError("ends too early")
            size -= len(piece)
            yield piece
        if last and (self._next(1) or not self._ended):
            raise DamageError("does not end where it should")

    @property
    def _ended(self) -> bool:
        state = self._state
        return state.eof and not state.unused_data and self._fed == len(self._code)

    def _next(self, most: int) -> bytes:
        """Bytes, at least one unless the code ends here."""
        state = self._state
        while not state.eof:
            part: Bytes = state.unconsumed_tail
            if not part:
                part = self._code[self._fed : self._fed + _FED]
                self._fed += len(part)
            try:
                piece = state.decompress(part, most)
            except zlib.error as error:
                raise DamageError("is no DEFLATE code") from error
            if piece or not part:
                return piece
        return b""


def _deflated(pieces: Iterable[Bytes], strategy: int) -> bytes:
    state = zlib.compressobj(9, zlib.DEFLATED, _RAW, _MEMORY, strategy)
    return b"".join([*(state.compress(piece) for piece in pieces), state.flush()])
