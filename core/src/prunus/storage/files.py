"""Directories, JSON files and the paths of what was written."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from prunus.errors import PrunusError, StaleError
from prunus.network import Written

T = TypeVar("T")


def moved(written: Written, stage: Path, directory: Path) -> Written:
    """The same files after they left the staging directory."""

    def after(path: Path) -> Path:
        return directory / path.relative_to(stage) if path.is_relative_to(stage) else path

    weights = None if written.weights is None else after(written.weights)
    return Written(after(written.model), weights, tuple(after(path) for path in written.others))


def make_directory(directory: Path) -> None:
    """Create a directory.

    Raises:
        PrunusError: it cannot be made.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PrunusError(f"{directory}: cannot make the directory ({error.strerror})") from error


def write_json(path: Path, value: Any) -> None:
    """Write JSON under a temporary name of its own and rename it."""
    write_text(path, json.dumps(value, indent=1) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write text under a temporary name of its own and rename it.

    Raises:
        PrunusError: it cannot be written; an older file stays.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_text(text, encoding="utf-8")
        os.replace(temporary, path)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise PrunusError(
            f"{path}: cannot write ({error.strerror}); the old file is kept"
        ) from error


def read_json(path: Path, kind: type[T]) -> T:
    """Read a result of an earlier step.

    Args:
        path: The file.
        kind: Attrs class, or type of plain values, that it must hold; keys it does not know
            are passed over.

    Raises:
        StaleError: the file is not JSON any more, or holds something else.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        why = str(error).replace("`", "").replace(" - at $.", " at ").replace(" - at $", "")
        raise StaleError(f"{path}: damaged ({why}); remove it and run the step again") from error
