"""Darknet weights files: a short header, then float32 in layer order.

Format facts: ``load_weights_upto`` and ``save_weights_upto`` in ``src/parser.c``:
three int32 version numbers; ``seen`` has 64 bits from version 0.2 on and 32 before;
version numbers above 1000 mark (in, out) order of fully connected weights.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Protocol

import attrs
import numpy as np
from numpy.typing import NDArray

from prunus.plugin import ModelError, check_regular, check_room
from prunus_darknet.records.layers import Blob, Layer, Structure

Array = NDArray[np.float32]
Slot = tuple[int, int]
"""(layer index, position in ``Layer.blobs``)."""

FLOAT = np.dtype("<f4")
NEW_HEADER = np.array([0, 2, 0, 0, 0], "<i4").tobytes()
_CHECKED_AT_ONCE = 1 << 20


@attrs.frozen(eq=False)
class WeightsFile:
    """An opened weights file; the values stay on disk until they are read.

    Attributes:
        path: The file.
        header: Its first bytes, kept as they are.
        version: (major, minor, revision).
        values: All float32 after the header, a private mapping of the file.
        size: Bytes of the whole file.
    """

    path: Path
    header: bytes
    version: tuple[int, int, int]
    values: Array
    size: int

    @property
    def transposed(self) -> bool:
        """Whether fully connected weights are stored (in, out)."""
        return self.version[0] > 1000 or self.version[1] > 1000

    @property
    def seen(self) -> int:
        """Images the network was trained on, in all updates together."""
        wide = len(self.header) == 20
        return int(np.frombuffer(self.header[12:], "<i8" if wide else "<i4")[0])


def open_weights(path: Path) -> WeightsFile:
    """Map a weights file.

    Raises:
        ModelError: it cannot be read or is shorter than its header.
    """
    try:
        check_regular(path)
        size = path.stat().st_size
        with path.open("rb") as stream:
            start = stream.read(12)
            major, minor, revision = (
                (int(n) for n in np.frombuffer(start, "<i4")) if len(start) == 12 else (0, 0, 0)
            )
            wide = major * 10 + minor >= 2 and major < 1000 and minor < 1000
            header = start + stream.read(8 if wide else 4)
    except OSError as error:
        raise ModelError(f"{path}: cannot read the weights file ({error.strerror})") from error
    if size < 12 or len(header) < (20 if wide else 16):
        raise ModelError(
            f"{path}: {size} bytes are too few for a Darknet weights file; its header alone has 16"
        )
    count = (size - len(header)) // FLOAT.itemsize
    values: Array = np.zeros(0, FLOAT)
    if count:
        values = np.memmap(path, FLOAT, "c", len(header), (count,)).view(np.ndarray)
    return WeightsFile(path, header, (major, minor, revision), values, size)


def split_weights(
    file: WeightsFile, structure: Structure, cfg: Path, lowest: float = 0.0
) -> dict[Slot, Array]:
    """Views of the file's values, one for each blob, in the graph's shapes.

    Args:
        file: The weights.
        structure: Layer records.
        cfg: Their file.
        lowest: Variances must be above it, or 0.

    Raises:
        ModelError: the file is too short or too long for the cfg, holds NaN, infinite
            values or negative variances; the message names the layer.
    """
    slots: dict[Slot, Array] = {}
    offset = 0
    for layer in structure.layers:
        for position, blob in enumerate(layer.blobs):
            if offset + blob.size > len(file.values):
                raise _too_short(file, structure, cfg, layer, blob, len(file.values) - offset)
            flat = file.values[offset : offset + blob.size]
            slots[layer.index, position] = _shaped(flat, blob)
            offset += blob.size
    _check_end(file, structure, cfg, offset)
    for layer in structure.layers:
        for position, blob in enumerate(layer.blobs):
            _check_values(file.path, layer, blob, slots[layer.index, position], lowest)
    return slots


def _below_zero(array: Array) -> int:
    """Numbers with a sign, zero left out; told by their bits.

    A comparison takes subnormal numbers for zero where another library has switched them off.
    """
    bits = np.ascontiguousarray(array, np.float32).view(np.uint32)
    return int((bits > np.uint32(1 << 31)).sum())


def negative_variances(structure: Structure, slots: Mapping[Slot, Array]) -> tuple[str, int]:
    """First layer with variances below 0, and their number in all layers."""
    first, count = "", 0
    for (index, position), array in slots.items():
        layer = structure.layers[index]
        if layer.blobs[position].role == "variance" and (found := _below_zero(array)):
            first, count = first or layer.name, count + found
    return first, count


def empty_weights(structure: Structure) -> dict[Slot, Array]:
    """Zeros for every blob (variance 1), for looking at a structure without weights.

    Raises:
        ModelError: the cfg asks for more than memory can hold.
    """
    section = structure.layers[0].section
    check_room(_wanted(structure), f"{section.path}: its weights", ModelError)
    return {
        (layer.index, position): (np.ones if blob.role == "variance" else np.zeros)(
            blob.shape, np.float32
        )
        for layer in structure.layers
        for position, blob in enumerate(layer.blobs)
    }


def _shaped(flat: Array, blob: Blob) -> Array:
    if not blob.transposed:
        return flat.reshape(blob.shape)
    rows = blob.shape[0]
    return np.ascontiguousarray(flat.reshape(-1, rows).T).reshape(blob.shape)


def stored_order(array: Array, blob: Blob) -> Array:
    """Values in the file's order, flat."""
    if blob.transposed:
        array = array.reshape(array.shape[0], -1).T
    return np.ascontiguousarray(array, FLOAT).reshape(-1)


def _wanted(structure: Structure) -> int:
    return sum(blob.size for layer in structure.layers for blob in layer.blobs) * FLOAT.itemsize


def _sizes(file: WeightsFile, structure: Structure) -> str:
    wanted = len(file.header) + _wanted(structure)
    return f"the cfg needs {wanted} bytes, the file has {file.size}"


def _too_short(
    file: WeightsFile, structure: Structure, cfg: Path, layer: Layer, blob: Blob, left: int
) -> ModelError:
    return ModelError(
        f"{file.path}: too short for {cfg.name}: ends in layer {layer.name} after {left} of "
        f"{blob.size} values of its {blob.role}{_suspect(file, structure)}; "
        f"{_sizes(file, structure)}; give the cfg these weights were trained with"
    )


def _check_end(file: WeightsFile, structure: Structure, cfg: Path, offset: int) -> None:
    left = file.size - len(file.header) - offset * FLOAT.itemsize
    if left == 0:
        return
    last = next((layer for layer in reversed(structure.layers) if layer.blobs), None)
    where = "without any layer with weights" if last is None else f"after layer {last.name}"
    raise ModelError(
        f"{file.path}: too long for {cfg.name}: {left} bytes are left {where}"
        f"{_suspect(file, structure)}; {_sizes(file, structure)}; "
        "give the cfg these weights were trained with"
    )


def _suspect(file: WeightsFile, structure: Structure) -> str:
    """Where values first stop making sense, if they do: the layer that does not fit."""
    offset = 0
    for layer in structure.layers:
        for blob in layer.blobs:
            values = file.values[offset : offset + blob.size]
            offset += blob.size
            if blob.role == "variance" and not bool(np.all(values >= 0)):
                return f" (variances first look wrong in layer {layer.name})"
    return ""


def _check_values(path: Path, layer: Layer, blob: Blob, values: Array, lowest: float) -> None:
    flat = values.reshape(-1)
    for start in range(0, flat.size, _CHECKED_AT_ONCE):
        part = flat[start : start + _CHECKED_AT_ONCE]
        # A finite sum of squares proves all values finite, at a third of isfinite's cost.
        with np.errstate(over="ignore", invalid="ignore"):
            if np.isfinite(np.dot(part, part)):
                continue
        wrong = np.flatnonzero(~np.isfinite(part))
        if wrong.size:
            raise ModelError(
                f"{path}: layer {layer.name}: {blob.role} holds NaN or infinite values, first at "
                f"position {start + int(wrong[0])}; take an earlier snapshot"
            )
    if blob.role == "variance" and flat.size and float(flat.min()) < min(lowest, 0.0):
        raise ModelError(
            f"{path}: layer {layer.name}: variance is negative at position {int(flat.argmin())}; "
            "the weights do not belong to this cfg or are damaged"
        )


def write_weights(path: Path, header: bytes, runs: Iterable[Array]) -> None:
    """Write a weights file run by run.

    Raises:
        ModelError: the file cannot be written; nothing of it is left behind then.
    """
    try:
        with path.open("wb") as stream:
            stream.write(header)
            for run in runs:
                stream.write(np.ascontiguousarray(run, FLOAT).data)
    except OSError as error:
        path.unlink(missing_ok=True)
        raise ModelError(f"{path}: cannot write the weights file ({error.strerror})") from error


class Arrays(Protocol):
    """Something that gives the array of a slot, in the graph's shape."""

    def __getitem__(self, slot: Slot, /) -> Array:
        """The array of one slot."""


def runs_of(structure: Structure, arrays: Arrays) -> Iterator[Array]:
    """All blobs in file order, flat."""
    for layer in structure.layers:
        for position, blob in enumerate(layer.blobs):
            yield stored_order(arrays[layer.index, position], blob)
