"""Append-only partial results: a kill at any moment loses at most the line being written."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
import numpy as np

from prunus.errors import PrunusError


@attrs.frozen
class Journal:
    """One JSON line a finished piece of work; the first line names what is measured.

    Attributes:
        path: The file; ``None`` keeps nothing.
        key: Digests; lines under another key are dropped.
    """

    path: Path | None
    key: Mapping[str, str]

    def read(self) -> dict[str, Any]:
        """Piece name -> stored value, of this key only."""
        if self.path is None or not self.path.exists():
            return {}
        lines = self.path.read_text(encoding="utf-8").split("\n")
        parsed = [line for line in map(_parse, lines[:-1]) if line is not None]
        if not parsed or parsed[0].get("key") != dict(self.key):
            return {}
        return {line["piece"]: line["value"] for line in parsed[1:] if "piece" in line}

    def start(self) -> dict[str, Any]:
        """What is done already; the file is ready for `write` afterwards.

        Raises:
            PrunusError: it cannot be written.
        """
        done = self.read()
        if self.path is not None:
            lines = [{"key": dict(self.key)}, *({"piece": p, "value": v} for p, v in done.items())]
            temporary = self.path.with_suffix(".tmp")
            with _named(self.path):
                temporary.write_text(
                    "".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8"
                )
                os.replace(temporary, self.path)
        return done

    def write(self, piece: str, value: Any) -> None:
        """Add one finished piece.

        Raises:
            PrunusError: it cannot be written.
        """
        if self.path is not None:
            with _named(self.path), self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"piece": piece, "value": value}) + "\n")
                file.flush()

    def remove(self) -> None:
        """All pieces are part of the final result now."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)


@contextmanager
def _named(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise PrunusError(
            f"{path}: cannot be written ({error.strerror}); what is measured so far is kept, "
            "and the same command goes on"
        ) from error


def plain(observation: Any) -> Any:
    """An observation as JSON values; floats survive exactly."""
    if isinstance(observation, np.ndarray):
        return {
            "array": observation.tolist(),
            "dtype": str(observation.dtype),
            "shape": observation.shape,
        }
    if isinstance(observation, dict):
        return {"dict": {key: plain(value) for key, value in observation.items()}}
    if isinstance(observation, list | tuple):
        return {"list": [plain(value) for value in observation]}
    if isinstance(observation, np.generic):
        return observation.item()
    return observation


def restored(stored: Any) -> Any:
    """Inverse of `plain`; tuples come back as lists."""
    if not isinstance(stored, dict):
        return stored
    if "array" in stored:
        return np.array(stored["array"], stored["dtype"]).reshape(stored["shape"])
    if "dict" in stored:
        return {key: restored(value) for key, value in stored["dict"].items()}
    return [restored(value) for value in stored["list"]]


def _parse(line: str) -> dict[str, Any] | None:
    try:
        value = json.loads(line)
    except json.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None
