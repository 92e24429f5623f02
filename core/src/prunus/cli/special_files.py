"""Files that are none: a pipe without a writer would be waited for, a device never ends."""

from __future__ import annotations

import os
import stat
import sys
from functools import cache
from pathlib import Path
from typing import Any

from prunus.errors import UsageError
from prunus.regular_files import KINDS


def check_file(path: Path) -> None:
    """Refuse what is neither a file nor a directory; what does not exist is left to others.

    Raises:
        UsageError: it is a pipe, a socket or a device.
    """
    try:
        kind = stat.S_IFMT(os.stat(path).st_mode)
    except (OSError, ValueError):
        return
    if kind in KINDS and kind != stat.S_IFDIR:
        raise UsageError(f"{path}: is {KINDS[kind]}, not a file; copy its content to a file")


@cache
def refuse_pipes() -> None:
    """Refuse named pipes wherever Python opens one by its name, also where a file names it."""
    sys.addaudithook(_on_open)


def _on_open(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "open" and isinstance(arguments[0], str | bytes | os.PathLike):
        try:
            pipe = stat.S_ISFIFO(os.stat(arguments[0]).st_mode)
        except (OSError, ValueError):
            return
        if pipe:
            check_file(Path(os.fsdecode(arguments[0])))
