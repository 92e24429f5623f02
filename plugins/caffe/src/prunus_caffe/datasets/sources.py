"""Where samples come from beside databases: image lists, HDF5."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Protocol

import attrs
import numpy as np
from numpy.typing import NDArray

from prunus.plugin import DataError, check_hdf5, check_room, contents_digest, read_regular
from prunus_caffe.datasets.images import load

Sample = tuple[NDArray[np.generic], int]


class Reader(Protocol):
    """Samples by position."""

    def __len__(self) -> int:
        """Number of samples."""

    def sample(self, position: int) -> Sample:
        """``(C, H, W)`` and its label."""

    def digest(self) -> str:
        """Digest of all samples as they are stored."""


@attrs.frozen(eq=False)
class ListReader:
    """An ImageData layer: a text file of "path label" lines."""

    paths: tuple[Path, ...]
    labels: tuple[int, ...]
    color: bool
    size: tuple[int, int] | None

    def __len__(self) -> int:
        return len(self.paths)

    def sample(self, position: int) -> Sample:
        """Read and decode one image."""
        return load(self.paths[position], self.color, self.size), self.labels[position]

    def digest(self) -> str:
        """Digest of the files' contents, the labels and how images are decoded."""
        wording = f"{contents_digest(self.paths)}{self.labels}{self.color}{self.size}"
        return hashlib.sha256(wording.encode()).hexdigest()


def open_list(source: Path, root: str, color: bool, size: tuple[int, int] | None) -> ListReader:
    """Read the list (``image_data_layer.cpp``: the label follows the last space).

    Raises:
        DataError: missing, or a line without a label.
    """
    try:
        lines = _text(source).splitlines()
    except OSError as error:
        raise DataError(f"{source}: image list cannot be read ({error.strerror})") from error
    paths, labels = [], []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        name, _, label = line.strip().rpartition(" ")
        if not name or not label.lstrip("-").isdigit():
            raise DataError(f"{source}:{number}: expected 'path label', found '{line.strip()}'")
        paths.append(Path(root + name))
        labels.append(int(label))
    return ListReader(tuple(paths), tuple(labels), color, size)


@attrs.frozen(eq=False)
class ArrayReader:
    """An HDF5Data layer: arrays held in memory."""

    samples: NDArray[np.generic]
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.samples)

    def sample(self, position: int) -> Sample:
        """One row."""
        return self.samples[position], int(self.labels[position])

    def digest(self) -> str:
        """Digest of all numbers."""
        digest = hashlib.sha256(f"{self.samples.shape}{self.samples.dtype}".encode())
        for array in (self.samples, self.labels):
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()


def _text(source: Path) -> str:
    """A list file; names may be any bytes."""
    return read_regular(source).decode("utf-8", "surrogateescape")


def open_hdf5(source: Path, data: str, label: str | None) -> ArrayReader:
    """Read every file of the list.

    Raises:
        DataError: h5py or a file is missing, or a data set of the tops' names.
    """
    try:
        import h5py
    except ImportError as error:
        raise DataError(
            "HDF5Data needs h5py; install it with: pip install 'prunus-caffe[hdf5]'"
        ) from error
    samples, labels = [], []
    try:
        names = _text(source).split()
        for name in names:
            check_hdf5(Path(name))
            with h5py.File(name, "r") as file:
                check_room(file[data].nbytes, f"{name}: '{data}'", DataError)
                samples.append(np.asarray(file[data]))
                if label is not None:
                    labels.append(np.asarray(file[label]).reshape(-1).astype(np.int64))
    except (OSError, UnicodeDecodeError, ValueError, AttributeError) as error:
        raise DataError(f"{source}: HDF5 data cannot be read ({error})") from error
    except KeyError as error:
        raise DataError(f"{source}: no data set named like the layer's tops ({error})") from error
    if not samples:
        raise DataError(f"{source}: names no HDF5 file")
    rows = np.concatenate(samples)
    known = np.concatenate(labels) if labels else np.zeros(len(rows), np.int64)
    return ArrayReader(rows, known)
