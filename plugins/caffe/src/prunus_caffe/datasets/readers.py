"""Where samples come from: LMDB, image lists, HDF5."""

from __future__ import annotations

import hashlib
import math
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Protocol

import attrs
import lmdb
import numpy as np
from google.protobuf.message import DecodeError
from numpy.typing import NDArray

from prunus.errors import DataError
from prunus.evaluation.contents import contents_digest
from prunus.formats.hdf5 import check_hdf5
from prunus.regular import read_regular
from prunus.room import check_room
from prunus_caffe.datasets.images import decode, load
from prunus_caffe.schema import message

Sample = tuple[NDArray[np.generic], int]


class Reader(Protocol):
    """Samples by position."""

    def __len__(self) -> int:
        """Number of samples."""

    def sample(self, position: int) -> Sample:
        """``(C, H, W)`` and its label."""

    def digest(self) -> str:
        """Digest of all samples as they are stored."""


@attrs.frozen(eq=False, slots=False)
class LmdbReader:
    """A Data layer with backend LMDB: one serialized Datum an entry, in key order.

    Attributes:
        path: The database.
        color: What encoded images become: three channels, one, or ``None`` for as they are.
    """

    path: Path
    color: bool | None = None

    def __len__(self) -> int:
        return len(self._keys)

    def sample(self, position: int) -> Sample:
        """Decode one Datum (``io.cpp``: raw bytes, floats, or an encoded image)."""
        with self._database.begin() as transaction:
            stored = transaction.get(self._keys[position])
        datum = message("Datum")()
        try:
            datum.ParseFromString(stored)
        except DecodeError as error:
            raise DataError(f"{self.path}: entry {position} is not a Caffe Datum") from error
        return _image(datum, self.color, f"{self.path} entry {position}"), int(datum.label)

    def digest(self) -> str:
        """Digest of all keys and values; free pages of the file do not count."""
        digest = hashlib.sha256()
        with self._database.begin(buffers=True) as transaction:
            for key, value in transaction.cursor():
                digest.update(f"{len(key)}|{len(value)}|".encode())
                digest.update(key)
                digest.update(value)
        return digest.hexdigest()

    @cached_property
    def _keys(self) -> list[bytes]:
        with self._database.begin() as transaction:
            return [bytes(key) for key in transaction.cursor().iternext(values=False)]

    @property
    def _database(self) -> Any:
        return _environment(self.path.resolve())


@cache
def _environment(path: Path) -> Any:
    """One environment a database: LMDB forbids opening one twice in a process."""
    try:
        return lmdb.open(str(path), readonly=True, lock=False, subdir=path.is_dir())
    except lmdb.Error as error:
        raise DataError(f"{path}: not a readable LMDB ({error})") from error


def _image(datum: Any, color: bool | None, name: str) -> NDArray[np.generic]:
    if datum.encoded:
        return decode(datum.data, color, None, name)
    shape = (datum.channels, datum.height, datum.width)
    stored: NDArray[np.generic] = (
        np.frombuffer(datum.data, np.uint8)
        if datum.data
        else np.array(datum.float_data, np.float32)
    )
    if stored.size != math.prod(shape):
        raise DataError(f"{name}: {stored.size} numbers for {'×'.join(map(str, shape))}")
    return stored.reshape(shape)


def open_lmdb(path: Path, layer: str, color: bool | None = None) -> LmdbReader:
    """An LMDB directory.

    Raises:
        DataError: missing, or a LevelDB.
    """
    if not path.exists():
        raise DataError(
            f"{path}: no such database (layer '{layer}'); paths in a prototxt start from the "
            "directory Caffe runs in, change there or give --data"
        )
    if path.is_dir() and (path / "CURRENT").exists():
        raise refused_leveldb(path, layer)
    return LmdbReader(path, color)


def refused_leveldb(path: Path, layer: str) -> DataError:
    """The error for a LevelDB."""
    return DataError(
        f"{path}: layer '{layer}' names a LevelDB, which is not read; write it as LMDB with "
        "Caffe's convert_imageset --backend=lmdb, or give --data"
    )


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
