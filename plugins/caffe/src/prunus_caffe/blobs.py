"""The numbers a layer asks for, checked against its shape; or random ones on request."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Protocol

import attrs
import numpy as np
from numpy.typing import NDArray

from prunus.plugin import ModelError
from prunus_caffe.caffemodel import StoredBlob, WeightFile
from prunus_caffe.records.layers import LayerRecord

Array = NDArray[np.float32]
Dims = tuple[int, ...]


class Blobs(Protocol):
    """Where a layer's parameter blobs come from."""

    def count(self, layer: LayerRecord) -> int | None:
        """Blobs stored for a layer, ``None`` where any number will do."""

    def dims(self, layer: LayerRecord, index: int) -> Dims | None:
        """Stored shape of a blob, ``None`` if unknown."""

    def take(self, layer: LayerRecord, index: int, role: str, dims: Dims) -> Array:
        """A blob in shape ``dims``."""


@attrs.frozen
class StoredBlobs:
    """Blobs of a caffemodel."""

    file: WeightFile
    structure: Path

    def count(self, layer: LayerRecord) -> int | None:
        """Blobs stored for a layer.

        Raises:
            ModelError: the file has no such layer.
        """
        stored = self.file.layer(layer.name)
        if stored is None or not stored.blobs:
            raise ModelError(
                f"{self.file.path}: no weights for layer '{layer.name}' "
                f"({self.structure}:{layer.line}); use the weights trained for this network"
            )
        return len(stored.blobs)

    def dims(self, layer: LayerRecord, index: int) -> Dims | None:
        """Stored shape."""
        stored = self.file.layer(layer.name)
        if stored is None or index >= len(stored.blobs):
            return None
        return stored.blobs[index].dims

    def take(self, layer: LayerRecord, index: int, role: str, dims: Dims) -> Array:
        """A blob in shape ``dims``.

        Raises:
            ModelError: missing, of another shape, incomplete, or not finite.
        """
        count = self.count(layer)
        assert count is not None
        stored = self.file.layer(layer.name)
        assert stored is not None
        if index >= count:
            raise ModelError(
                f"{self.file.path}: layer '{layer.name}' has {count} blobs, "
                f"{self.structure}:{layer.line} needs blob {index} ({role}) too; "
                "use the weights trained for this network"
            )
        blob = stored.blobs[index]
        if not same_shape(blob, dims):
            raise ModelError(
                f"{self.file.path}: layer '{layer.name}' blob {index} ({role}) has shape "
                f"{shape_text(blob.dims)}, {self.structure}:{layer.line} needs {shape_text(dims)}; "
                "use the weights trained for this network"
            )
        if blob.count != int(np.prod(dims)):
            raise ModelError(
                f"{self.file.path}: layer '{layer.name}' blob {index} ({role}) holds "
                f"{blob.count} numbers, its shape {shape_text(blob.dims)} "
                f"needs {int(np.prod(dims))}; the file is corrupt"
            )
        array = self.file.array(blob)
        if array.size and not (np.isfinite(array.min()) and np.isfinite(array.max())):
            wrong = int((~np.isfinite(array)).sum())
            raise ModelError(
                f"{self.file.path}: layer '{layer.name}' blob {index} ({role}) holds {wrong} "
                "numbers that are NaN or infinite; use weights from before the training diverged"
            )
        return array.reshape(dims)


@attrs.frozen
class RandomBlobs:
    """Weights drawn by layer name: same name, same numbers."""

    seed: int = 0

    def count(self, layer: LayerRecord) -> int | None:
        """Any number."""
        return None

    def dims(self, layer: LayerRecord, index: int) -> Dims | None:
        """Unknown."""
        return None

    def take(self, layer: LayerRecord, index: int, role: str, dims: Dims) -> Array:
        """He-scaled weights, BatchNorm statistics near the unit ones."""
        key = zlib.crc32(f"{layer.name}/{index}".encode())
        draw = np.random.default_rng([self.seed, key])
        if role == "weight":
            fan_in = max(1, int(np.prod(dims[1:])))
            array = draw.standard_normal(dims, np.float32) * np.float32(np.sqrt(2 / fan_in))
        elif role == "factor":
            array = np.full(dims, 1.0)
        elif role == "scale":  # below 1, so that residual sums do not grow without bound
            array = draw.uniform(0.4, 1.0, dims)
        elif role == "variance":
            array = draw.uniform(0.5, 1.5, dims)
        else:
            array = draw.standard_normal(dims) * 0.1 + (0.2 if role == "slope" else 0.0)
        return np.ascontiguousarray(array, np.float32)


def same_shape(blob: StoredBlob, dims: Dims) -> bool:
    """Caffe's ``Blob::ShapeEquals``: old four-number shapes may lead with ones."""
    if not blob.legacy:
        return blob.dims == dims
    return len(dims) <= 4 and blob.dims == (1,) * (4 - len(dims)) + dims


def shape_text(dims: Dims) -> str:
    """``(50, 20, 5, 5)`` for messages."""
    return "(" + ", ".join(map(str, dims)) + ")"
