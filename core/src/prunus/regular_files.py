"""Reading of regular files alone: a pipe or a device would be waited for, or never end."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

KINDS = {
    stat.S_IFDIR: "a directory",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def check_regular(path: Path) -> None:
    """Refuse what is no regular file before it is opened.

    Raises:
        OSError: it is missing, or something else than a file; ``strerror`` says what.
    """
    try:
        kind = stat.S_IFMT(os.stat(path).st_mode)
    except ValueError as error:  # a name with a NUL in it
        raise OSError(errno.EINVAL, "its name is no file name") from error
    if kind != stat.S_IFREG:
        found = KINDS.get(kind, "something else")
        raise OSError(errno.EINVAL, f"it is {found}, not a file", str(path))


def read_regular(path: Path) -> bytes:
    """All bytes of a regular file.

    Raises:
        OSError: as `check_regular`, or the file cannot be read.
    """
    check_regular(path)
    return path.read_bytes()
