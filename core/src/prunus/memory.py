"""How much memory one thing that a file declares may take."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

from prunus.errors import PrunusError

_UNKNOWN = 1 << 34
"""Bytes of memory that are assumed where the system does not tell."""

_LARGEST = 10**30
"""A damaged file may state any number, larger ones than floats hold too."""


def check_room(nbytes: int, what: str, error: type[PrunusError]) -> None:
    """Refuse, before anything is allocated, what would not leave half of the memory free.

    Args:
        nbytes: Bytes that a file declares.
        what: File and part, the start of the message.
        error: Its class.

    Raises:
        PrunusError: it is too large, as ``error``.
    """
    if nbytes > memory() // 2:
        raise error(
            f"{what}: declares {shown(nbytes)}, more than half of this machine's "
            f"{shown(memory())} of memory; the file is damaged, or too large to be read here"
        )


def shown(nbytes: int) -> str:
    """A number of bytes for people."""
    number = float(min(nbytes, _LARGEST))
    for unit in ("bytes", "kB", "MB", "GB"):
        if number < 1000:
            return f"{number:.3g} {unit}"
        number /= 1000
    return f"{number:.3g} TB"


@cache
def memory() -> int:
    """Bytes of memory of this machine, or of the container this process runs in."""
    try:
        found = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        found = _UNKNOWN
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii").strip()
    except OSError:
        return found
    return min(found, int(limit)) if limit.isdigit() else found
