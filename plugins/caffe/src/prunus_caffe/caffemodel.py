"""Caffemodel files: where each blob lies, and its numbers when they are asked for."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from prunus.plugin import ModelError, check_regular
from prunus_caffe.wire import BYTES, FIXED32, FIXED64, WireError, WireField, fields, varint

# Field numbers of NetParameter, LayerParameter, V1LayerParameter, BlobProto (caffe.proto).
NET_LAYER, NET_V1_LAYER = 100, 2
LAYER_NAME, LAYER_TYPE, LAYER_BLOBS = 1, 2, 7
V1_NAME, V1_BLOBS = 4, 6
BLOB_LEGACY_DIMS = (1, 2, 3, 4)
BLOB_DATA, BLOB_DIFF, BLOB_SHAPE, BLOB_DOUBLE_DATA, BLOB_DOUBLE_DIFF = 5, 6, 7, 8, 9
_NVIDIA_RAW = (10, 12)


@attrs.frozen
class StoredBlob:
    """One BlobProto in the file.

    Attributes:
        start, end: Its bytes.
        dims: Stored shape; four dims where the old ``num … width`` form is used.
        legacy: Stored in the old form.
        spans: Byte ranges holding the numbers, in order.
        double: float64 numbers.
    """

    start: int
    end: int
    dims: tuple[int, ...]
    legacy: bool
    spans: tuple[tuple[int, int], ...]
    double: bool

    @property
    def count(self) -> int:
        """Stored numbers."""
        return sum(end - start for start, end in self.spans) // (8 if self.double else 4)


@attrs.frozen
class StoredLayer:
    """One layer message: ``data[start:end]`` is its content."""

    name: str
    v1: bool
    start: int
    end: int
    blobs: tuple[StoredBlob, ...]


@attrs.frozen(eq=False, slots=False)
class WeightFile:
    """A caffemodel.

    Attributes:
        path: For messages.
        data: All bytes (memory-mapped: only what is touched is read).
        layers: Stored layers in order, also those without blobs.
    """

    path: Path
    data: Any
    layers: tuple[StoredLayer, ...]

    def layer(self, name: str) -> StoredLayer | None:
        """Last layer of that name: the one whose numbers stay when Caffe copies them."""
        return self._named.get(name)

    @cached_property
    def _named(self) -> dict[str, StoredLayer]:
        return {layer.name: layer for layer in self.layers}

    def array(self, blob: StoredBlob) -> NDArray[np.float32]:
        """Numbers of a blob, flat float32, read from the file into memory of their own."""
        kind = "<f8" if blob.double else "<f4"
        size = np.dtype(kind).itemsize
        if len(blob.spans) == 1 and isinstance(self.data, mmap.mmap):
            start, end = blob.spans[0]
            array = np.fromfile(self.path, kind, (end - start) // size, offset=start)
        else:
            array = np.frombuffer(b"".join(self.data[start:end] for start, end in blob.spans), kind)
        return array.astype(np.float32, copy=False)


def read_weights(path: Path) -> WeightFile:
    """Open a caffemodel.

    Raises:
        ModelError: missing, empty, truncated, corrupt, or another kind of file.
    """
    try:
        check_regular(path)
        with path.open("rb") as file:
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except ValueError as error:
        raise ModelError(f"{path}: the file is empty; copy or train it again") from error
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    if data[:8] == b"\x89HDF\r\n\x1a\n":
        raise ModelError(
            f"{path}: weights in HDF5 form are not read; "
            "save them with snapshot_format: BINARYPROTO"
        )
    try:
        layers = tuple(_layers(data))
    except WireError as error:
        raise ModelError(
            f"{path}: not a caffemodel, or truncated or corrupt ({error}); copy or train it again"
        ) from error
    except UnicodeDecodeError as error:
        raise ModelError(f"{path}: not a caffemodel (a layer name is not text)") from error
    if not layers:
        raise ModelError(f"{path}: not a caffemodel (it holds no layer)")
    return WeightFile(path, data, layers)


def in_memory(data: bytes, path: Path) -> WeightFile:
    """A caffemodel that is not on disk."""
    return WeightFile(path, data, tuple(_layers(data)))


def _layers(data: Any) -> Iterator[StoredLayer]:
    for field in fields(data, 0, len(data)):
        if field.kind == BYTES and field.number in (NET_LAYER, NET_V1_LAYER):
            yield _layer(data, field, field.number == NET_V1_LAYER)


def _layer(data: Any, outer: WireField, v1: bool) -> StoredLayer:
    name, blobs = "", []
    for field in fields(data, outer.value, outer.end):
        if field.kind != BYTES:
            continue
        if field.number == (V1_NAME if v1 else LAYER_NAME):
            name = bytes(data[field.value : field.end]).decode()
        elif field.number == (V1_BLOBS if v1 else LAYER_BLOBS):
            blobs.append(_blob(data, field))
    return StoredLayer(name, v1, outer.value, outer.end, tuple(blobs))


def _blob(data: Any, outer: WireField) -> StoredBlob:
    legacy: dict[int, int] = {}
    dims: tuple[int, ...] | None = None
    single: list[tuple[int, int]] = []
    double: list[tuple[int, int]] = []
    position = outer.value
    while position < outer.end:
        field = next(fields(data, position, outer.end))
        position = field.end
        if field.number in BLOB_LEGACY_DIMS and not field.kind:
            legacy[field.number] = field.integer
        elif field.number == BLOB_SHAPE and field.kind == BYTES:
            dims = tuple(_dims(data, field))
        elif field.number == BLOB_DATA:
            _numbers(field, FIXED32, 4, single)
        elif field.number == BLOB_DOUBLE_DATA:
            _numbers(field, FIXED64, 8, double)
        elif field.number in _NVIDIA_RAW:
            raise WireError(f"byte {field.start}: numbers in NVIDIA's raw form")
    if dims is None:  # a blob of no axes (one number) is stored without any shape
        dims = tuple(legacy.get(number, 0) for number in BLOB_LEGACY_DIMS) if legacy else ()
    else:
        legacy = {}
    return StoredBlob(
        outer.value, outer.end, dims, bool(legacy), tuple(double or single), bool(double)
    )


def _numbers(field: WireField, kind: int, size: int, spans: list[tuple[int, int]]) -> None:
    if field.kind not in (BYTES, kind) or (field.end - field.value) % size:
        raise WireError(f"byte {field.start}: a blob's numbers are cut")
    spans.append((field.value, field.end))


def _dims(data: Any, outer: WireField) -> Iterator[int]:
    """BlobShape: packed or one by one."""
    for field in fields(data, outer.value, outer.end):
        if field.number != 1:
            continue
        if field.kind != BYTES:
            yield field.integer
            continue
        position = field.value
        while position < field.end:
            size, position = varint(data, position, field.end)
            yield size
