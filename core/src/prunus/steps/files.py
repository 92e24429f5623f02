"""Outputs appear whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from prunus.errors import PrunusError, StaleError
from prunus.network import Written


@contextmanager
def staged(directory: Path) -> Iterator[Path]:
    """A fresh directory whose files move to ``directory`` if all goes well.

    Files of the same name are replaced one by one by renaming; others stay.
    """
    make_directory(directory)
    stage = Path(tempfile.mkdtemp(prefix=".staged-", dir=directory))
    try:
        yield stage
        for path in sorted(stage.iterdir()):
            target = directory / path.name
            if path.is_dir() and target.exists():
                # the old directory is in the way, but lies in the stage until the new one stands
                os.replace(target, stage / f".old-{path.name}")
            os.replace(path, target)
    except OSError as error:
        raise PrunusError(
            f"{directory}: cannot write ({error.strerror}); nothing was changed"
        ) from error
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def moved(written: Written, stage: Path, directory: Path) -> Written:
    """The same files after they left the staging directory."""

    def place(path: Path) -> Path:
        return directory / path.relative_to(stage) if path.is_relative_to(stage) else path

    weights = None if written.weights is None else place(written.weights)
    return Written(place(written.model), weights, tuple(place(path) for path in written.others))


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
    """Write JSON under a temporary name and rename it."""
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        temporary.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")
        os.replace(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise PrunusError(
            f"{path}: cannot write ({error.strerror}); the old file is kept"
        ) from error


def read_json(path: Path) -> Any:
    """Read a result of an earlier step.

    Raises:
        StaleError: the file is not JSON any more.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise StaleError(f"{path}: damaged ({error}); remove it and run the step again") from error
