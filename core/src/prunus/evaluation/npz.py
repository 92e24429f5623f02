"""Arrays of an ``.npz`` file, checked against the file's size and the memory before they are made.

Format facts: ``numpy.lib.format`` (a magic, a header of a shape and a type, the numbers) inside a
zip archive. Arrays of Python objects are pickles, code in other words: refused.
"""

from __future__ import annotations

import math
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import attrs
import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from prunus.errors import DataError, PrunusError
from prunus.memory import check_room

_HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


@attrs.frozen
class Npz:
    """An archive of arrays.

    Attributes:
        path: The file.
        names: Names of its arrays.
    """

    path: Path
    names: Sequence[str]

    def read(self, name: str) -> NDArray[np.generic]:
        """One array.

        Raises:
            DataError: it is damaged, too large, or holds Python objects.
        """
        try:
            with zipfile.ZipFile(self.path) as archive:
                member = archive.getinfo(f"{name}.npy")
                with archive.open(member) as stored:
                    self._check(name, stored, member.file_size)
                with archive.open(member) as stored:
                    return np.asarray(npy.read_array(stored, allow_pickle=False))
        except PrunusError:
            raise
        except Exception as error:  # zipfile, zlib and numpy raise their own untyped errors
            raise _unreadable(self.path, error, f"'{name}': ") from error

    def _check(self, name: str, stored: IO[bytes], size: int) -> None:
        header = _HEADERS.get(npy.read_magic(stored))
        if header is None:
            raise DataError(f"{self.path}: '{name}' has fields by name; it must hold plain numbers")
        shape, _, kind = header(stored)
        if kind.hasobject:
            raise DataError(
                f"{self.path}: '{name}' holds Python objects, which are never loaded; save numbers"
            )
        nbytes = math.prod(shape) * kind.itemsize
        check_room(nbytes, f"{self.path}: '{name}'", DataError)
        if min(shape, default=0) < 0 or stored.tell() + nbytes != size:
            raise DataError(
                f"{self.path}: '{name}' declares {nbytes} bytes of numbers and holds "
                f"{size - stored.tell()}; the file is damaged"
            )


def open_npz(path: Path) -> Npz:
    """The arrays a file holds, by name.

    Raises:
        DataError: it is no ``.npz`` file.
    """
    if not path.is_file():
        raise DataError(f"{path}: not a file")
    try:
        with path.open("rb") as file:
            if file.read(6) == npy.MAGIC_PREFIX:
                raise DataError(
                    f"{path}: one array without a name; save it as 'x' with numpy.savez"
                )
        with zipfile.ZipFile(path) as archive:
            members = archive.namelist()
    except PrunusError:
        raise
    except Exception as error:  # zipfile raises struct.error and others
        raise _unreadable(path, error) from error
    return Npz(path, [name.removesuffix(".npy") for name in members if name.endswith(".npy")])


def _unreadable(path: Path, error: Exception, part: str = "") -> DataError:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return DataError(f"{path}: not a readable .npz file ({part}{' '.join(reason.split())[:120]})")
