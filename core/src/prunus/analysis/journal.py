"""Append-only partial results: a kill at any moment loses at most the line being written."""

from __future__ import annotations

import hashlib
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
        """Piece name -> stored value, of this key only; damaged lines are left out."""
        lines = self._lines()
        if not lines or _parse(lines[0]).get("key") != dict(self.key):
            return {}
        return {line["piece"]: line["value"] for line in map(self._sound, lines[1:]) if line}

    def damage(self) -> str | None:
        """A sentence for the user where lines are damaged: they are measured again."""
        lines = self._lines()
        if not lines:
            return None
        key = _parse(lines[0]).get("key")
        if isinstance(key, dict) and key != dict(self.key):
            return None  # of another measurement
        lost = len(lines) if key is None else sum(not self._sound(line) for line in lines[1:])
        if not lost:
            return None
        return f"{self.path}: {lost} damaged lines are left out, and measured again"

    def _lines(self) -> list[bytes]:
        """Whole lines; a kill may have left half a line behind the last one."""
        if self.path is None or not self.path.exists():
            return []
        try:
            return self.path.read_bytes().split(b"\n")[:-1]
        except OSError as error:
            raise PrunusError(f"{self.path}: cannot be read ({error.strerror})") from error

    def _sound(self, line: bytes) -> dict[str, Any]:
        """A line as it was written; empty if any of it changed."""
        found = _parse(line)
        whole = found.get("check") == self._check(found.get("piece"), found.get("value"))
        return found if whole else {}

    def _check(self, piece: Any, value: Any) -> str:
        """Digest of a piece: a changed digit of a number is still a number."""
        text = json.dumps([dict(self.key), piece, value])
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def _line(self, piece: str, value: Any) -> str:
        return json.dumps({"piece": piece, "value": value, "check": self._check(piece, value)})

    def start(self) -> dict[str, Any]:
        """Results so far; the file is ready for `write` afterwards.

        Raises:
            PrunusError: it cannot be written.
        """
        done = self.read()
        if self.path is not None:
            lines = [json.dumps({"key": dict(self.key)})]
            lines += [self._line(piece, value) for piece, value in done.items()]
            temporary = self.path.with_suffix(".tmp")
            with _named(self.path):
                temporary.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
                os.replace(temporary, self.path)
        return done

    def write(self, piece: str, value: Any) -> None:
        """Add one finished piece.

        Raises:
            PrunusError: it cannot be written.
        """
        if self.path is not None:
            with _named(self.path), self.path.open("a", encoding="utf-8") as file:
                file.write(self._line(piece, value) + "\n")
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
    """An observation as JSON values; floats survive exactly.

    Raises:
        TypeError: it holds what no JSON value stands for.
    """
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
    if observation is not None and not isinstance(observation, str | int | float):
        raise TypeError(
            f"a {type(observation).__name__} cannot be stored; give arrays, numbers, texts, lists "
            "and dicts"
        )
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


def _parse(line: bytes) -> dict[str, Any]:
    """The object of a line; empty if it holds none."""
    try:
        value = json.loads(line.decode("utf-8"))
    except (ValueError, RecursionError):  # no text, no JSON, or a number of too many digits
        return {}
    return value if isinstance(value, dict) else {}
