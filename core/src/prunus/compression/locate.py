"""Tensors of the neutral graph, found again in the bytes of native files.

A format writes a tensor in one piece, its axes in an order of its own (some keep the outputs of a
kernel last). So the places are found by content, whatever the format: no framework is asked, and
what is cut out is equal bit by bit.
"""

from __future__ import annotations

import itertools
import mmap
from collections.abc import Iterable, Iterator

import attrs
import numpy as np
from numpy.typing import NDArray

from prunus.compression.shared import Shared

_PROBE = 64
"""Bytes searched for before a whole tensor is compared."""

_TRIED = 64
"""Windows of a tensor among which the one with the fewest zeros is searched for."""

_SEARCHES = 200
"""Places compared for one order of the axes; more are given up, and the bytes stay as they are."""


_FIRST, _CHUNK = 1 << 10, 1 << 18
"""Numbers compared in one go: most places that differ do so soon."""


@attrs.frozen
class Found:
    """A tensor in a file.

    Attributes:
        start: First byte.
        stop: First byte behind it.
        name: The tensor's name.
        order: Axes of the tensor in the file's order.
    """

    start: int
    stop: int
    name: str
    order: tuple[int, ...]


def locate(data: mmap.mmap | bytes, tensors: Iterable[tuple[str, Shared]]) -> list[Found]:
    """Places of tensors in a file, ascending, none over another.

    Args:
        data: The file.
        tensors: Names and tensors; of equal ones each has a place of its own.
    """
    found: list[Found] = []
    orders: dict[int, list[tuple[int, ...]]] = {}
    for name, tensor in tensors:
        axes = tensor.codes.ndim
        known = orders.setdefault(axes, list(itertools.permutations(range(axes))))
        for order in _distinct(known, tensor.codes.shape):
            codes = np.ascontiguousarray(tensor.codes.transpose(order)).reshape(-1)
            wanted = _Wanted(Shared(_little(tensor.codebook), codes))
            place = _place(data, wanted, found)
            if place is not None:
                found.append(Found(place, place + wanted.nbytes, name, order))
                known.remove(order)
                known.insert(0, order)  # others of the file have the same one, most likely
                break
        _forget(data)
    return sorted(found, key=lambda one: one.start)


@attrs.frozen(eq=False)
class _Wanted:
    """A tensor in one order of its axes, whose numbers are made in parts."""

    tensor: Shared

    @property
    def itemsize(self) -> int:
        return self.tensor.codebook.itemsize

    @property
    def nbytes(self) -> int:
        return self.tensor.codes.size * self.itemsize

    def part(self, start: int, count: int) -> NDArray[np.uint8]:
        """Bytes of some numbers."""
        codes = self.tensor.codes[start : start + count]
        return self.tensor.codebook.take(codes, mode="clip").view(np.uint8)

    def probe(self) -> int | None:
        """First number of the window with the fewest zeros; ``None`` if there are zeros only."""
        codes, zero = self.tensor.codes, self.tensor.zero
        many = _PROBE // self.itemsize
        last = codes.size - many
        starts = np.unique(np.linspace(0, last, min(_TRIED, last + 1)).astype(np.int64))
        if zero is None:
            return int(starts[0])
        step = max(1, codes.size >> 16)
        first = np.flatnonzero(codes[::step] != zero)[:1] * step
        starts = np.union1d(starts, np.minimum(first, last))
        held = np.count_nonzero(codes[starts[:, None] + np.arange(many)] != zero, axis=1)
        best = int(np.argmax(held))
        return int(starts[best]) if held[best] else None

    def is_at(self, data: mmap.mmap | bytes, start: int) -> bool:
        """Whether a file holds it there."""
        if start + self.nbytes > len(data):
            return False
        there = np.frombuffer(data, np.uint8, self.nbytes, start)
        count, done = _FIRST, 0
        while done < self.tensor.codes.size:
            part = self.part(done, count)
            place = done * self.itemsize
            if not np.array_equal(part, there[place : place + part.size]):
                return False
            count, done = _CHUNK, done + count
        return True


def _forget(data: mmap.mmap | bytes) -> None:
    """Give back the memory of what was read of a file; it can be read again."""
    if isinstance(data, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):  # not on Windows
        data.madvise(mmap.MADV_DONTNEED)


def _little(codebook: NDArray[np.floating]) -> NDArray[np.floating]:
    return codebook.astype(codebook.dtype.newbyteorder("<"))


def _distinct(orders: list[tuple[int, ...]], shape: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """Orders that give different bytes: axes of length one can stand anywhere."""
    seen = set()
    for order in tuple(orders):
        long = tuple(axis for axis in order if shape[axis] != 1)
        if long not in seen:
            seen.add(long)
            yield order


def _place(data: mmap.mmap | bytes, wanted: _Wanted, taken: list[Found]) -> int | None:
    """First byte of a tensor at a place that no other has, looked for behind the last one first."""
    if not _PROBE <= wanted.nbytes <= len(data):
        return None
    first = wanted.probe()
    if first is None:
        return None
    probe = wanted.part(first, _PROBE // wanted.itemsize).tobytes()
    offset = first * wanted.itemsize
    last = taken[-1].stop + offset if taken else 0
    searches = 0
    for begin, stop in ((last, len(data)), (0, last + _PROBE)):
        at = data.find(probe, begin, stop)
        while at >= 0 and searches < _SEARCHES:
            start, searches = at - offset, searches + 1
            if _free(start, start + wanted.nbytes, taken) and wanted.is_at(data, start):
                return start
            at = data.find(probe, at + 1, stop)
    return None


def _free(start: int, stop: int, taken: list[Found]) -> bool:
    return start >= 0 and all(stop <= one.start or start >= one.stop for one in taken)
