"""Digests of the contents of files.

Names, sizes and times do not tell whether a file is the one that was measured: pixels may be
replaced at equal size, and tools that copy keep the time. So every byte is read, once in a
process: a file with the same inode, size and time of change (to the nanosecond) is not read again.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from prunus.errors import DataError


def contents_digest(paths: Iterable[Path]) -> str:
    """Hex digest of the contents of files, in order; their names and paths do not count.

    Raises:
        DataError: one cannot be read.
    """
    digest = hashlib.sha256()
    for path in paths:
        try:
            found = os.stat(path)
            digest.update(_file(str(path), found.st_ino, found.st_size, found.st_mtime_ns))
        except OSError as error:
            raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    return digest.hexdigest()


@cache
def _file(path: str, inode: int, size: int, changed: int) -> bytes:
    """Digest of one state of a file, which the numbers tell from its other states."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").digest()
