"""Darknet's ``.data`` file and the lists it names.

Format facts: ``read_data_cfg`` in Darknet's ``src/option_list.c`` (``key = value``, ``#`` and
``;`` start comments) and ``get_paths`` in ``src/data.c`` (one path a line). Darknet takes
relative paths from the current directory; here the folder of the ``.data`` file is tried next,
so that a data set can be used from anywhere.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import attrs

from prunus.plugin import DataError, read_regular
from prunus_darknet.cfg import shortened


@attrs.frozen
class DataFile:
    """A parsed ``.data`` file.

    Attributes:
        path: The file.
        values: Key -> value as written.
        lines: Key -> line number, from 1.
    """

    path: Path
    values: Mapping[str, str]
    lines: Mapping[str, int]

    @property
    def classes(self) -> int | None:
        """Number of classes, where it is given.

        Raises:
            DataError: it is no whole number above 0.
        """
        return self._number("classes")

    @property
    def top(self) -> int:
        """How many guesses count in a classifier's second figure (Darknet's default: 1)."""
        return self._number("top") or 1

    def file(self, key: str) -> Path:
        """The file a key names, found as ``resolve`` finds it.

        Raises:
            DataError: the key is missing, or the file is.
        """
        if not self.values.get(key):
            raise DataError(f"{self.path}: no {key}= line; it names a file")
        found = self.resolve(self.values[key])
        if not os.path.isfile(found):  # unlike Path.is_file it never raises
            raise DataError(
                f"{self.path}:{self.lines[key]}: {key}={shortened(self.values[key])}: "
                f"no such file{self.tried(Path(self.values[key]))}"
            )
        return found

    def names(self, classes: int) -> tuple[str, ...]:
        """Names of a detector's classes.

        Raises:
            DataError: there is no ``names=`` file, or it holds too few.
        """
        path = self.file("names")
        found = read_names(path)
        if len(found) < classes:
            raise DataError(
                f"{self.path}:{self.lines['names']}: {path} holds {len(found)} names, "
                f"the network knows {classes} classes"
            )
        return found[:classes]

    def resolve(self, text: str) -> Path:
        """A path as written, else from the folder of this file; maybe none exists."""
        path = Path(text)
        beside = self.path.parent / path
        return beside if not os.path.exists(path) and os.path.exists(beside) else path

    def tried(self, path: Path) -> str:
        """The tail of a message about a missing file: where it was looked for."""
        if path.is_absolute():
            return ""
        if self.path.parent == Path():
            return " from the current directory"
        return f", neither from the current directory nor from {self.path.parent}"

    def _number(self, key: str) -> int | None:
        text = self.values.get(key)
        if text is None:
            return None
        if not text.isascii() or not text.isdigit() or len(text) > 9 or int(text) < 1:
            raise DataError(
                f"{self.path}:{self.lines[key]}: {key}={shortened(text)}: "
                "expected a whole number from 1"
            )
        return int(text)


@attrs.frozen
class Entry:
    """One line of a list: the path as written, its line number from 1."""

    text: str
    line: int


def read_data_file(path: Path) -> DataFile:
    """Read a ``.data`` file.

    Raises:
        DataError: it cannot be read, or a line is no ``key = value``.
    """
    values: dict[str, str] = {}
    lines: dict[str, int] = {}
    for number, raw in enumerate(_lines(path), start=1):
        line = raw.strip()
        if not line or line[0] in "#;":
            continue
        key, equals, value = line.partition("=")
        if not equals or not key.strip():
            raise DataError(f"{path}:{number}: expected key = value, found {shortened(line)!r}")
        values.setdefault(key.strip(), value.strip())  # the first one counts (option_find)
        lines.setdefault(key.strip(), number)
    return DataFile(path, values, lines)


def read_list(path: Path) -> tuple[Entry, ...]:
    """The lines of a list of images.

    Raises:
        DataError: it cannot be read, or names nothing.
    """
    lines = enumerate(_lines(path), start=1)
    entries = tuple(Entry(raw.strip(), number) for number, raw in lines if raw.strip())
    if not entries:
        raise DataError(f"{path}: the list is empty; it holds one image path a line")
    return entries


def read_names(path: Path) -> tuple[str, ...]:
    """Labels or names, one a line; blank lines at the end are none.

    Raises:
        DataError: it cannot be read, or a line between others is blank.
    """
    names = [raw.strip() for raw in _lines(path)]
    while names and not names[-1]:
        names.pop()
    if not names:
        raise DataError(f"{path}: no labels; it holds one label a line")
    if "" in names:
        raise DataError(f"{path}:{names.index('') + 1}: empty label; every path would match it")
    return tuple(names)


def _lines(path: Path) -> list[str]:
    try:
        text = read_regular(path).decode("utf-8", "surrogateescape")  # paths may be any bytes
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    if "\0" in text:
        raise DataError(f"{path}: not a text file")
    return text.split("\n")
