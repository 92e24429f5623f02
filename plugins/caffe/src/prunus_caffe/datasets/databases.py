"""Databases of Data layers: one serialized Datum an entry, in the order of the keys."""

from __future__ import annotations

import atexit
import hashlib
import math
import shutil
import tempfile
from collections.abc import Iterator
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Protocol

import attrs
import lmdb
import numpy as np
from google.protobuf.message import DecodeError
from numpy.typing import NDArray

from prunus.plugin import DataError, check_regular, damage_of
from prunus_caffe.datasets.images import decode
from prunus_caffe.schema import message

_TABLES = (".ldb", ".sst")
"""Files of a LevelDB that are never changed once they are written."""


class Store(Protocol):
    """An opened database."""

    def keys(self) -> list[bytes]:
        """All keys, in order."""

    def get(self, key: bytes) -> bytes:
        """The value of a key."""

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        """All entries, in order of their keys."""


@attrs.frozen(eq=False, slots=False)
class DatabaseReader:
    """A Data layer.

    Attributes:
        path: The database.
        color: What encoded images become: three channels, one, or ``None`` for as they are.
    """

    path: Path
    color: bool | None = None

    def __len__(self) -> int:
        return len(self._keys)

    def sample(self, position: int) -> tuple[NDArray[np.generic], int]:
        """Decode one Datum (``io.cpp``: raw bytes, floats, or an encoded image)."""
        stored = self._store.get(self._keys[position])
        datum = message("Datum")()
        try:
            datum.ParseFromString(stored)
        except DecodeError as error:
            raise DataError(f"{self.path}: entry {position} is not a Caffe Datum") from error
        return _image(datum, self.color, f"{self.path}: entry {position}"), int(datum.label)

    def digest(self) -> str:
        """Digest of all keys and values; free pages of the file do not count."""
        digest = hashlib.sha256()
        for key, value in self._store.items():
            digest.update(f"{len(key)}|{len(value)}|".encode())
            digest.update(key)
            digest.update(value)
        return digest.hexdigest()

    @cached_property
    def _keys(self) -> list[bytes]:
        return self._store.keys()

    @property
    def _store(self) -> Store:
        return _opened(self.path.resolve())


def open_database(path: Path, layer: str, color: bool | None = None) -> DatabaseReader:
    """An LMDB or a LevelDB, told by its files (Caffe goes by the field ``backend``).

    Raises:
        DataError: missing, or not readable.
    """
    if not path.exists():
        raise DataError(
            f"{path}: no such database (layer '{layer}'); paths in a prototxt start from the "
            "directory Caffe runs in, change there or give --data"
        )
    reader = DatabaseReader(path, color)
    len(reader)
    return reader


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


@cache
def _opened(path: Path) -> Store:
    """One store a database: LMDB forbids opening one twice in a process."""
    if (path / "CURRENT").exists():
        return _LevelDb(path)
    return _Lmdb(path)


class _Lmdb:
    def __init__(self, path: Path) -> None:
        try:
            if not path.is_dir():
                check_regular(path)
            file = path / "data.mdb" if path.is_dir() else path
            damage = damage_of(file, "prunus_caffe.datasets.lmdb_visit", "liblmdb")
            if damage:
                raise OSError(damage)
            self._database = lmdb.open(str(path), readonly=True, lock=False, subdir=path.is_dir())
        except (lmdb.Error, OSError) as error:
            raise _unreadable(path, "LMDB", error) from error
        self._path = path

    def keys(self) -> list[bytes]:
        try:
            with self._database.begin() as transaction:
                return [bytes(key) for key in transaction.cursor().iternext(values=False)]
        except lmdb.Error as error:
            raise _unreadable(self._path, "LMDB", error) from error

    def get(self, key: bytes) -> bytes:
        try:
            with self._database.begin() as transaction:
                return bytes(transaction.get(key) or b"")
        except lmdb.Error as error:
            raise _unreadable(self._path, "LMDB", error) from error

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        try:
            with self._database.begin() as transaction:
                yield from transaction.cursor()
        except lmdb.Error as error:
            raise _unreadable(self._path, "LMDB", error) from error


class _LevelDb:
    """LevelDB writes where it reads (log, lock, compaction): it is given files of its own.

    Tables are linked, everything else is small and copied; the user's database stays as it is.
    """

    def __init__(self, path: Path) -> None:
        try:
            import plyvel
        except ImportError as error:
            raise DataError(
                f"{path}: reading a LevelDB needs plyvel; install it with: "
                "pip install 'prunus-caffe[leveldb]', or give --data"
            ) from error
        self._path, self._error = path, plyvel.Error
        folder = tempfile.mkdtemp(prefix="prunus-leveldb-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        try:
            for file in path.iterdir():
                if file.suffix in _TABLES:
                    Path(folder, file.name).symlink_to(file)
                elif file.name != "LOCK" and file.is_file():
                    shutil.copyfile(file, Path(folder, file.name))
            self._database = plyvel.DB(folder)
            atexit.register(_opened.cache_clear)  # closes it, before modules are torn down
        except (plyvel.Error, OSError) as error:
            raise _unreadable(path, "LevelDB", error) from error

    def keys(self) -> list[bytes]:
        try:
            found = list(self._database.iterator(include_value=False, verify_checksums=True))
        except self._error as error:
            raise _unreadable(self._path, "LevelDB", error) from error
        if not found and any(file.suffix in _TABLES for file in self._path.iterdir()):
            # an iterator passes over damaged tables in silence
            raise _unreadable(self._path, "LevelDB", ValueError("its tables are damaged"))
        return found

    def get(self, key: bytes) -> bytes:
        try:
            return bytes(self._database.get(key, verify_checksums=True) or b"")
        except self._error as error:
            raise _unreadable(self._path, "LevelDB", error) from error

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        with self._database.iterator() as found:
            yield from found


def _unreadable(path: Path, kind: str, error: Exception) -> DataError:
    reason = getattr(error, "strerror", None) or str(error)
    words = " ".join(reason.split())[:120]
    return DataError(f"{path}: not a readable {kind} ({words})")
