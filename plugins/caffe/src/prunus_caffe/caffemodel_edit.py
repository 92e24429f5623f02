"""A caffemodel rewritten: new blobs and numbers go in, every other byte stays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from prunus_caffe import caffemodel as cm
from prunus_caffe.caffemodel import StoredBlob, StoredLayer, WeightFile
from prunus_caffe.edits import Number
from prunus_caffe.schema import descriptor
from prunus_caffe.wire import BYTES, VARINT, bytes_field, encode_varint, fields, tag

Array = NDArray[np.float32]
Parts = list[Any]
_CHUNK = 1 << 24


def rewrite(
    weights: WeightFile, out: BinaryIO,
    arrays: Mapping[str, Mapping[int, Array]], numbers: Sequence[Number],
) -> None:  # fmt: skip
    """Write the file anew.

    Args:
        weights: The original.
        out: Receives the bytes; nothing is held in memory beside ``arrays``.
        arrays: Layer -> blob number -> numbers in the blob's shape.
        numbers: Parameters of layers to change where the file repeats them.
    """
    data = memoryview(weights.data)
    stored = {layer.start: layer for layer in weights.layers}
    changes: dict[str, list[Number]] = {}
    for number in numbers:
        changes.setdefault(number.layer, []).append(number)
    for field in fields(weights.data, 0, len(weights.data)):
        layer = stored.get(field.value)
        known = layer is not None and field.number in (cm.NET_LAYER, cm.NET_V1_LAYER)
        if layer is None or not known or not (layer.name in arrays or layer.name in changes):
            _write(out, [data[field.start : field.end]])
            continue
        parts = _layer(data, layer, arrays.get(layer.name, {}), changes.get(layer.name, []))
        length = sum(_size(part) for part in parts)
        _write(out, [tag(field.number, BYTES) + encode_varint(length), *parts])


def _write(out: BinaryIO, parts: Parts) -> None:
    for part in parts:
        raw: Any = part.reshape(-1).view(np.uint8) if isinstance(part, np.ndarray) else part
        for position in range(0, len(raw), _CHUNK):
            out.write(raw[position : position + _CHUNK])


def _size(part: Any) -> int:
    return part.nbytes if isinstance(part, np.ndarray | memoryview) else len(part)


def _layer(
    data: Any, layer: StoredLayer, arrays: Mapping[int, Array], numbers: Sequence[Number]
) -> Parts:
    messages = descriptor("V1LayerParameter" if layer.v1 else "LayerParameter").fields_by_name
    changed = {messages[n.message].number: n.message for n in numbers if n.message in messages}
    blob_field = cm.V1_BLOBS if layer.v1 else cm.LAYER_BLOBS
    parts: Parts = []
    blobs = iter(enumerate(layer.blobs))
    for field in fields(data, layer.start, layer.end):
        if field.number == blob_field and field.kind == BYTES:
            index, blob = next(blobs)
            if index in arrays:
                inner = list(_blob(data, blob, arrays[index]))
                length = sum(_size(part) for part in inner)
                parts += [tag(blob_field, BYTES) + encode_varint(length), *inner]
                continue
        elif field.number in changed and field.kind == BYTES:
            mine = [n for n in numbers if n.message == changed[field.number]]
            parts.append(bytes_field(field.number, _message(data, field.value, field.end, mine)))
            continue
        parts.append(data[field.start : field.end])
    for index in range(len(layer.blobs), max(arrays, default=-1) + 1):
        empty = StoredBlob(0, 0, (), False, (), False)
        inner = list(_blob(data, empty, arrays[index]))
        length = sum(_size(part) for part in inner)
        parts += [tag(blob_field, BYTES) + encode_varint(length), *inner]
    return parts


def _blob(data: Any, blob: StoredBlob, array: Array) -> Iterator[Any]:
    """BlobProto fields in their old order; gradients of another size are dropped."""
    shape_done = numbers_done = False
    same = blob.count == array.size
    for field in fields(data, blob.start, blob.end):
        if field.number in (*cm.BLOB_LEGACY_DIMS, cm.BLOB_SHAPE):
            if not shape_done:
                yield _shape(blob, array.shape)
            shape_done = True
        elif field.number in (cm.BLOB_DATA, cm.BLOB_DOUBLE_DATA):
            if not numbers_done:
                yield from _numbers(blob, array)
            numbers_done = True
        elif same or field.number not in (cm.BLOB_DIFF, cm.BLOB_DOUBLE_DIFF):
            yield data[field.start : field.end]
    if not shape_done:
        yield _shape(blob, array.shape)
    if not numbers_done:
        yield from _numbers(blob, array)


def _shape(blob: StoredBlob, dims: tuple[int, ...]) -> bytes:
    if blob.legacy:
        full = (1,) * (4 - len(dims)) + dims
        return b"".join(
            tag(number, VARINT) + encode_varint(size)
            for number, size in zip(cm.BLOB_LEGACY_DIMS, full, strict=True)
        )
    if not dims:
        return b""
    return bytes_field(cm.BLOB_SHAPE, bytes_field(1, b"".join(map(encode_varint, dims))))


def _numbers(blob: StoredBlob, array: Array) -> Iterator[Any]:
    kind, number = ("<f8", cm.BLOB_DOUBLE_DATA) if blob.double else ("<f4", cm.BLOB_DATA)
    raw = np.ascontiguousarray(array, kind)
    yield tag(number, BYTES) + encode_varint(raw.nbytes)
    yield raw


def _message(data: Any, start: int, end: int, numbers: Sequence[Number]) -> bytes:
    """A parameter message with some integers replaced."""
    name = numbers[0].message
    known = _parameter(name)
    wanted = {(known[n.field].number, n.occurrence): n.value for n in numbers if n.field in known}
    seen: dict[int, int] = {}
    parts = []
    for field in fields(data, start, end):
        position = seen.get(field.number, 0)
        seen[field.number] = position + 1
        value = wanted.get((field.number, position))
        if value is not None and field.kind == VARINT:
            parts.append(tag(field.number, VARINT) + encode_varint(value))
        else:
            parts.append(bytes(data[field.start : field.end]))
    return b"".join(parts)


def _parameter(name: str) -> Any:
    return descriptor("LayerParameter").fields_by_name[name].message_type.fields_by_name
