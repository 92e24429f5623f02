"""The weights file, ncnn's ``.bin``: the arrays of all layers one after another.

A weight of a convolution or of an inner product has a tag of four bytes before it, which says how
its numbers are stored; each array ends on a multiple of four bytes (ncnn's src/modelbin.cpp).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from prunus.plugin import ModelError, read_regular
from prunus_ncnn.param import Layer
from prunus_ncnn.stored import Stored

Slot = tuple[int, str]
"""Position of a layer, and a role."""

FLOAT16 = 0x01306B47
FLOAT32 = (0, 0x0002C056)
_OTHERS = {0x000D4B38: "int8", 0x01348B83: "bfloat16"}


def read_weights(
    path: Path, wanted: Iterable[tuple[Layer, tuple[Stored, ...]]], unknown: list[Layer]
) -> tuple[dict[Slot, np.ndarray], dict[Slot, int]]:
    """Arrays as float32 in the shapes of the file, and the tags of those that have one.

    Args:
        path: The file.
        wanted: Each layer with its arrays, in the order of the file.
        unknown: Layers of other types, which may hold weights too.

    Raises:
        ModelError: it is missing, does not fit, or holds NaN, infinity or quantised weights.
    """
    try:
        content = read_regular(path)
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror}; check --weights") from error
    arrays: dict[Slot, np.ndarray] = {}
    tags: dict[Slot, int] = {}
    place = 0
    for layer, roles in wanted:
        for one in roles:
            slot = layer.index, one.role
            kind = np.dtype("<f4")
            if one.tagged:
                tags[slot] = int.from_bytes(content[place : place + 4], "little")
                kind, place = _storage(tags[slot], path, layer, unknown), place + 4
            count = math.prod(one.shape)
            nbytes = -(-count * kind.itemsize // 4) * 4
            if place + nbytes > len(content):
                raise ModelError(
                    f"{path}: ends within the {one.role} of layer {layer.name!r}"
                    f"{_perhaps(unknown)}; take the weights of this network, or copy them again"
                )
            stored = np.frombuffer(content, kind, count, place)
            arrays[slot] = _finite(stored.astype(np.float32).reshape(one.shape), path, layer, one)
            place += nbytes
    if place < len(content):
        raise ModelError(
            f"{path}: has {len(content)} bytes, the structure needs {place}"
            f"{_perhaps(unknown)}; take the weights of this network"
        )
    return arrays, tags


def write_weights(
    path: Path,
    wanted: Iterable[tuple[Layer, tuple[Stored, ...]]],
    arrays: Mapping[Slot, np.ndarray],
    tags: Mapping[Slot, int],
) -> None:
    """Write arrays as they were stored; numbers beyond float16 make their array float32."""
    with path.open("wb") as stream:
        for layer, roles in wanted:
            for one in roles:
                slot = layer.index, one.role
                tag, numbers = tags.get(slot), np.asarray(arrays[slot], "<f4", order="C")
                if tag == FLOAT16:
                    with np.errstate(over="ignore"):
                        half = numbers.astype("<f2")
                    if np.isfinite(half).all() or not np.isfinite(numbers).all():
                        numbers = half
                    else:
                        tag = FLOAT32[0]
                if tag is not None:
                    stream.write(tag.to_bytes(4, "little"))
                content = numbers.tobytes()
                stream.write(content + bytes(-len(content) % 4))


def _storage(tag: int, path: Path, layer: Layer, unknown: list[Layer]) -> np.dtype:
    if tag == FLOAT16:
        return np.dtype("<f2")
    if tag in FLOAT32:
        return np.dtype("<f4")
    if tag in _OTHERS:
        raise ModelError(
            f"{path}: layer {layer.name!r} has {_OTHERS[tag]} weights; "
            "prune the float network and quantise it afterwards"
        )
    raise ModelError(
        f"{path}: the weights of layer {layer.name!r} begin with the unknown tag 0x{tag:08x}"
        f"{_perhaps(unknown)}; take the float weights of this network"
    )


def _perhaps(unknown: list[Layer]) -> str:
    if not unknown:
        return ""
    layer = unknown[0]
    return f"; perhaps layer {layer.name!r} of the unknown type {layer.kind!r} holds weights"


def _finite(array: np.ndarray, path: Path, layer: Layer, one: Stored) -> np.ndarray:
    if not np.isfinite(array).all():
        raise ModelError(
            f"{path}: layer {layer.name!r}: the {one.role} holds NaN or infinite numbers; "
            "take weights of a training that did not diverge"
        )
    return array
