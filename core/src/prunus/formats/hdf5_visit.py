"""The child process of `prunus.formats.hdf5`: reads everything an HDF5 file holds, once.

Run as ``python -P -m prunus.formats.hdf5_visit FILE`` by `prunus.formats.child`.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from prunus.formats.child import answer_as_child

_SLAB = 1 << 24
"""Bytes read at a time."""

_DEFLATE = 1100
"""No more than about 1,032 bytes come out of one byte that zlib packed."""


def read(path: str) -> None:
    """Every attribute and data set."""
    import h5py

    size = os.path.getsize(path)
    with h5py.File(path, "r") as file:
        for item in _objects(file, h5py):
            _read(item, size, h5py)


def _objects(file: Any, h5py: Any) -> Iterator[Any]:
    """Every object once, whatever loops its links make."""
    seen = {_address(file, h5py)}
    waiting = [file]
    while waiting:
        item = waiting.pop()
        yield item
        if not isinstance(item, h5py.Group):
            continue
        for name in item:
            link = item.get(name, getlink=True)
            if isinstance(link, h5py.ExternalLink):
                raise OSError(f"'{name}' is a link to another file, which is not followed")
            if not isinstance(link, h5py.HardLink):
                continue
            child = item[name]
            if _address(child, h5py) not in seen:
                seen.add(_address(child, h5py))
                waiting.append(child)


def _address(item: Any, h5py: Any) -> int:
    return int(h5py.h5o.get_info(item.id).addr)


def _read(item: Any, size: int, h5py: Any) -> None:
    for name in item.attrs:
        _tolerant(lambda name=name: item.attrs[name])
    if not isinstance(item, h5py.Dataset) or item.shape is None:
        return
    if item.is_virtual or item.external:
        raise OSError(f"'{item.name}' keeps its numbers in other files, which are not read")
    nbytes = math.prod(item.shape) * item.dtype.itemsize
    chunk = math.prod(item.chunks or (0,)) * item.dtype.itemsize
    if nbytes > _DEFLATE * size + _SLAB or chunk > _DEFLATE * size + _SLAB:
        raise OSError(f"'{item.name}' declares {nbytes} bytes, the whole file has {size}")
    for part in _parts(item):
        _tolerant(lambda part=part: item[part])


def _tolerant(read: Any) -> None:
    """A type that numpy lacks is no damage."""
    with suppress(TypeError, ValueError):
        read()


def _parts(item: Any) -> Iterator[Any]:
    if item.chunks is not None:
        yield from item.iter_chunks()
    elif not item.shape:
        yield ()
    else:
        rows = max(1, _SLAB // max(1, math.prod(item.shape[1:]) * item.dtype.itemsize))
        for start in range(0, item.shape[0], rows):
            yield slice(start, start + rows)


if __name__ == "__main__":
    sys.exit(answer_as_child(sys.argv[1], read))
