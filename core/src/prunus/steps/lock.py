"""One process at a time works in a workspace.

The kernel locks the directory and gives the lock back however the process ends. Where the file
system has no such locks, and on Windows, nobody is kept out.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

from prunus.errors import PrunusError
from prunus.host import Host
from prunus.settings import Settings
from prunus.storage.files import make_directory
from prunus.storage.staging import locked

P = ParamSpec("P")
R = TypeVar("R")

_LOCKS = Path("/proc/locks")
"""Linux' list of locks: number, kind, …, process in field 4, ``major:minor:inode`` in field 5."""


def alone(
    step: Callable[Concatenate[Host, Settings, P], R],
) -> Callable[Concatenate[Host, Settings, P], R]:
    """A step that has its workspace to itself."""

    @functools.wraps(step)
    def only(host: Host, settings: Settings, /, *args: P.args, **kwargs: P.kwargs) -> R:
        if settings.workspace is None:
            return step(host, settings, *args, **kwargs)
        with held(settings.workspace):
            return step(host, settings, *args, **kwargs)

    return only


@contextmanager
def held(workspace: Path) -> Iterator[None]:
    """Hold a workspace; one that was made for it and stays empty is removed again.

    Raises:
        PrunusError: another process holds it, or it cannot be made.
    """
    made = not workspace.exists()
    make_directory(workspace)
    handle = None
    try:
        with suppress(OSError):  # no such locks there
            handle = _lock(workspace)
        yield
    finally:
        if handle is not None:
            os.close(handle)
        if made:
            with suppress(OSError):
                workspace.rmdir()


def _lock(workspace: Path) -> int:
    try:
        return locked(workspace, wait=False)
    except BlockingIOError:
        raise PrunusError(
            f"{workspace}: another process{_holder(workspace)} works in this workspace; wait until "
            "it has ended, or choose another --workspace"
        ) from None


def _holder(workspace: Path) -> str:
    """Number of the process that holds the lock, where the kernel tells."""
    inode = str(workspace.stat().st_ino)
    with suppress(OSError):
        for line in _LOCKS.read_text().splitlines():
            fields = line.split()
            if len(fields) > 5 and fields[5].rpartition(":")[2] == inode:
                return f" ({fields[4]})"
    return ""
