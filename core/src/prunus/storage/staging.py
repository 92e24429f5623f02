"""Outputs appear whole or not at all, also after a kill.

They are prepared in a stage, a directory beside their final path, and renamed from there. A
stage is locked while its process lives. The kernel releases the lock however the process ends, so
a stage that can be locked is a leftover. Where the file system has no such locks, and on Windows,
leftovers stay.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from prunus.errors import PrunusError
from prunus.storage.files import make_directory

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_PREPARING = ".staged-"
_COMPLETE = ".complete-"
_OLD = ".old-"


@contextmanager
def staged(directory: Path) -> Iterator[Path]:
    """A fresh directory whose files move to ``directory`` if all goes well.

    Files of the same name are replaced one by one by renaming; others stay. What a kill between
    two of them leaves is repaired by the next step there (`clear`).

    Raises:
        PrunusError: a file cannot be written.
    """
    make_directory(directory)
    clear(directory)
    with _locked_stage(directory) as stage:
        try:
            yield stage
            _check_targets(stage, directory)
            complete = stage.rename(directory / stage.name.replace(_PREPARING, _COMPLETE, 1))
        except OSError as error:
            raise _unwritable(directory, error) from error
        except PrunusError as error:
            # a format's messages about a file name its final path
            raise type(error)(str(error).replace(str(stage), str(directory))) from error
        try:
            _deliver(complete, directory)
        except OSError as error:
            raise PrunusError(
                f"{directory}: not every file could be put in place ({error.strerror}); the next "
                "step there tries again"
            ) from error


def clear(directory: Path) -> None:
    """Deliver what a killed process had completed, remove what it had not.

    A stage of a living process is left alone, and so is what cannot be moved or removed.
    """
    for stage in (*directory.glob(f"{_PREPARING}*"), *directory.glob(f"{_COMPLETE}*")):
        try:
            lock = locked(stage, wait=False)
        except OSError:
            continue
        try:
            if stage.name.startswith(_COMPLETE):
                _deliver(stage, directory)
            shutil.rmtree(stage, ignore_errors=True)
        except OSError:
            continue
        finally:
            os.close(lock)


def _check_targets(stage: Path, directory: Path) -> None:
    """No file replaces a directory, which may hold anything."""
    for path in stage.iterdir():
        target = directory / path.name
        if target.exists() and not target.is_dir() and not target.is_file():
            raise PrunusError(f"{target}: is a pipe or a device, no file; nothing was changed")
        if path.is_file() and target.is_dir():
            raise PrunusError(
                f"{target}: is a directory, and a file is to be written there; nothing was changed"
            )


def _deliver(stage: Path, directory: Path) -> None:
    """Move every file and directory to its final path; done again, it goes on where it stopped."""
    for path in sorted(stage.iterdir()):
        if path.name.startswith(_OLD):
            continue
        target = directory / path.name
        if path.is_dir() and target.exists():
            # the old directory is in the way, but lies in the stage until the new one stands
            os.replace(target, stage / f"{_OLD}{path.name}")
        os.replace(path, target)
    shutil.rmtree(stage, ignore_errors=True)


def _unwritable(directory: Path, error: OSError) -> PrunusError:
    return PrunusError(f"{directory}: cannot write ({error.strerror}); nothing was changed")


@contextmanager
def _locked_stage(directory: Path) -> Iterator[Path]:
    """An empty directory in ``directory``, locked; removed in the end if it has its name still."""
    try:
        stage, lock = _new(directory)
    except OSError as error:
        raise _unwritable(directory, error) from error
    try:
        yield stage
    finally:
        shutil.rmtree(stage, ignore_errors=True)
        if lock is not None:
            os.close(lock)


def _new(directory: Path) -> tuple[Path, int | None]:
    while True:
        stage = Path(tempfile.mkdtemp(prefix=_PREPARING, dir=directory))
        try:
            lock = locked(stage, wait=True)
        except FileNotFoundError:
            continue  # taken for a leftover before it was locked
        except OSError:
            return stage, None
        if stage.exists():
            return stage, lock
        os.close(lock)


def locked(stage: Path, *, wait: bool) -> int:
    """Lock a directory; gives the handle that holds the lock.

    Raises:
        OSError: it is gone, another process holds it, or there are no such locks.
    """
    if fcntl is None:
        raise OSError("no file locks")
    handle = os.open(stage, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        raise
    return handle
