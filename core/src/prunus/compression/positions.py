"""Positions of the weights that are not zero, as streams of bytes.

``gaps``: for each weight the number of zeros before it, as in Han, Mao, Dally 2016, section 3; a
byte of 255 means 255 zeros and no weight. The paper's limit is 15 or 31, and each jump takes a
padding zero among the values; bytes that are Huffman-coded need no such limit, and jumps no value.
``mask``: one bit a weight; shorter where about a third of the weights or more is left.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from prunus.compression.streams import DamageError

JUMP = 255

_PART = 1 << 16
"""Bytes that are decoded in one go: positions take eight bytes each."""


def gaps_of(places: NDArray[np.int64], size: int) -> NDArray[np.uint8]:
    """Numbers of zeros before each weight; zeros behind the last are not said.

    Args:
        places: Positions of the weights, ascending.
        size: Number of weights, zeros too.
    """
    gaps = np.diff(places, prepend=-1) - 1
    wide = np.flatnonzero(gaps >= JUMP)
    jumps = gaps[wide] // JUMP
    gaps[wide] -= jumps * JUMP
    return np.insert(gaps.astype(np.uint8), np.repeat(wide, jumps), JUMP)


def held_by_gaps(stream: NDArray[np.uint8], size: int) -> Iterator[NDArray[np.int64]]:
    """Positions of the weights, ascending, in parts.

    Raises:
        DamageError: one lies outside of the tensor.
    """
    done = 0
    for start in range(0, stream.size, _PART):
        part = stream[start : start + _PART]
        is_weight = part != JUMP
        steps = part.astype(np.int64)
        steps += is_weight
        ends = done + np.cumsum(steps)
        done = int(ends[-1])
        places: NDArray[np.int64] = ends[is_weight] - 1
        if places.size and places[-1] >= size:
            raise DamageError("puts a weight outside of its tensor")
        yield places


def mask_of(places: NDArray[np.int64], size: int) -> NDArray[np.uint8]:
    """Eight weights a byte, the first in the highest bit."""
    held = np.zeros(size, np.bool_)
    held[places] = True
    return np.packbits(held)


def held_by_mask(stream: NDArray[np.uint8], size: int) -> Iterator[NDArray[np.int64]]:
    """Positions of the weights, ascending, in parts.

    Raises:
        DamageError: the stream has another length, or weights behind the last.
    """
    behind = stream.size * 8 - size
    if not 0 <= behind < 8 or (behind and int(stream[-1]) & ((1 << behind) - 1)):
        raise DamageError("has marks for another number of weights")
    for start in range(0, stream.size, _PART):
        yield np.flatnonzero(np.unpackbits(stream[start : start + _PART])) + start * 8


FORMS: Mapping[
    str,
    tuple[
        Callable[[NDArray[np.int64], int], NDArray[np.uint8]],
        Callable[[NDArray[np.uint8], int], Iterator[NDArray[np.int64]]],
    ],
] = {"gaps": (gaps_of, held_by_gaps), "mask": (mask_of, held_by_mask)}
"""Name in the file -> encoder and decoder."""


def padded(held: NDArray[np.bool_], bits: int) -> int:
    """Entries of the paper's relative index: weights, and a padding zero for every long gap."""
    distances = np.diff(np.flatnonzero(held), prepend=-1)
    return int(distances.size + ((distances - 1) >> bits).sum())
