"""Darknet cfg text: parsed with positions, so that numbers can be changed in place.

Format facts: ``read_cfg`` in Darknet's ``src/parser.c`` and ``read_option``,
``option_find`` in ``src/option_list.c``: blanks are dropped everywhere, a line
that starts with ``[`` opens a section, ``#`` or ``;`` starts a comment line,
everything else is ``key=value``, and the first of several equal keys counts.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path

import attrs

from prunus.plugin import ModelError, read_regular

NETWORK_SECTIONS = ("net", "network")
_WHOLE = re.compile(r"[+-]?\d+")
_REAL = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_LARGEST = 2**31 - 1
_BLANKS = " \t\r"


@attrs.frozen
class Entry:
    """One ``key=value`` line.

    Attributes:
        key: Name without blanks.
        value: Value without blanks.
        line: Line number, from 1.
        start, end: Where the raw value stands in the text.
    """

    key: str
    value: str
    line: int
    start: int
    end: int


@attrs.frozen
class Section:
    """One ``[type]`` block.

    Attributes:
        type: Name between the brackets, as written.
        line: Line number of the bracket, from 1.
        entries: Its lines in order.
        path: File the section stands in, for messages.
    """

    type: str
    line: int
    entries: tuple[Entry, ...]
    path: Path

    def find(self, key: str) -> Entry | None:
        """First entry named ``key``."""
        return next((entry for entry in self.entries if entry.key == key), None)

    def has(self, key: str) -> bool:
        """Whether ``key`` is given."""
        return self.find(key) is not None

    def text(self, key: str, default: str) -> str:
        """Value of ``key`` as written, blanks removed."""
        entry = self.find(key)
        return default if entry is None else entry.value

    def integer(self, key: str, default: int) -> int:
        """Value of ``key`` as a whole number.

        Raises:
            ModelError: the value does not start with a whole number.
        """
        entry = self.find(key)
        return default if entry is None else self._whole(entry, entry.value)

    def integers(self, key: str) -> tuple[int, ...]:
        """Comma-separated whole numbers; empty if ``key`` is missing."""
        return tuple(self._whole(entry, part) for entry, part in self._parts(key))

    def real(self, key: str, default: float) -> float:
        """Value of ``key`` as a number.

        Raises:
            ModelError: the value does not start with a number.
        """
        entry = self.find(key)
        return default if entry is None else self._real(entry, entry.value)

    def reals(self, key: str) -> tuple[float, ...]:
        """Comma-separated numbers; empty if ``key`` is missing."""
        return tuple(self._real(entry, part) for entry, part in self._parts(key))

    def error(self, message: str, key: str | None = None) -> ModelError:
        """A ModelError that names the file and the line of ``key``, or of the section."""
        entry = None if key is None else self.find(key)
        return ModelError(f"{self.path}:{entry.line if entry else self.line}: {message}")

    def _parts(self, key: str) -> list[tuple[Entry, str]]:
        """Parts between the commas of a value; some cfgs have a comment behind it."""
        entry = self.find(key)
        if entry is None:
            return []
        parts = entry.value.split("#")[0].rstrip(",").split(",")
        return [(entry, part) for part in parts]

    def _whole(self, entry: Entry, text: str) -> int:
        match = _WHOLE.match(text)
        if match is None or len(match[0]) > 11 or abs(int(match[0])) > _LARGEST:
            raise self._not(entry, "a whole number")
        return int(match[0])

    def _real(self, entry: Entry, text: str) -> float:
        match = _REAL.match(text)
        if match is None or not math.isfinite(float(match[0])):
            raise self._not(entry, "a number")
        return float(match[0])

    def _not(self, entry: Entry, expected: str) -> ModelError:
        return ModelError(
            f"{self.path}:{entry.line}: {entry.key}={shortened(entry.value)} in [{self.type}]: "
            f"expected {expected}"
        )


@attrs.frozen
class Cfg:
    """A parsed cfg file.

    Attributes:
        path: The file.
        text: Its bytes as latin-1, so that every byte survives.
        sections: All sections; the first one is ``[net]``.
    """

    path: Path
    text: str
    sections: tuple[Section, ...]

    @property
    def net(self) -> Section:
        """The ``[net]`` section."""
        return self.sections[0]

    @property
    def layers(self) -> tuple[Section, ...]:
        """Layer sections; position = Darknet's layer index."""
        return self.sections[1:]

    def edited(self, numbers: Mapping[tuple[int, str], int]) -> str:
        """The text with some numbers replaced, everything else untouched.

        Args:
            numbers: (layer index, key) -> new value; the key must be present.
        """
        given = []
        for (index, key), number in numbers.items():
            layer = self.layers[index]
            entry = layer.find(key)
            if entry is None:
                raise layer.error(f"[{layer.type}] has no {key}= to edit")
            given.append((entry, str(number)))
        return self._replaced(_WHOLE, given)

    def with_net(self, values: Mapping[str, float]) -> str:
        """The text with some numbers of ``[net]`` replaced, missing ones added.

        Args:
            values: Key -> new value.
        """
        given, added = [], []
        for key, value in values.items():
            entry = self.net.find(key)
            if entry is None:
                added.append(f"{key}={value:.9g}")
            else:
                given.append((entry, f"{value:.9g}"))
        lines = self._replaced(_REAL, given).split("\n")
        position = self.net.line
        return "\n".join([*lines[:position], *added, *lines[position:]])

    def _replaced(self, number: re.Pattern[str], values: list[tuple[Entry, str]]) -> str:
        """The text with the first number of some entries (their whole value if it has none) new."""
        text = self.text
        for entry, new in sorted(values, key=lambda pair: pair[0].start, reverse=True):
            start, end = _number_span(number, text, entry)
            text = text[:start] + new + text[end:]
        return text

    def with_head(self, other: Cfg) -> str:
        """The text with everything before the first layer taken from another cfg."""
        own, theirs = self.text.split("\n"), other.text.split("\n")
        return "\n".join(theirs[: other.layers[0].line - 1] + own[self.layers[0].line - 1 :])


def read_cfg(path: Path) -> Cfg:
    """Read and parse a cfg file.

    Raises:
        ModelError: the file cannot be read, or its text is no cfg.
    """
    try:
        text = read_regular(path).decode("latin-1")
    except OSError as error:
        raise ModelError(f"{path}: cannot read the cfg file ({error.strerror})") from error
    return parse_cfg(text, path)


def parse_cfg(text: str, path: Path) -> Cfg:
    """Parse cfg text.

    Raises:
        ModelError: a line that is no ``key=value``, or no ``[net]`` at the start.
    """
    sections = parse_sections(text, path)
    if not sections or sections[0].type not in NETWORK_SECTIONS:
        first = sections[0].line if sections else 1
        raise ModelError(f"{path}:{first}: a Darknet cfg starts with [net] or [network]")
    return Cfg(path, text, sections)


def parse_sections(text: str, path: Path) -> tuple[Section, ...]:
    """The sections of any text in cfg form.

    Raises:
        ModelError: a line that is no ``key=value``, or one before the first section.
    """
    drafts: list[tuple[str, int, list[Entry]]] = []
    offset = 0
    for number, raw in enumerate(text.split("\n"), start=1):
        line = _without_blanks(raw)
        if line.startswith("["):
            drafts.append((line[1:].split("]")[0], number, []))
        elif line and line[0] not in "#;":
            if not drafts:
                raise ModelError(f"{path}:{number}: expected [net] before the first key=value line")
            drafts[-1][2].append(_entry(raw, line, number, offset, path))
        offset += len(raw) + 1
    return tuple(Section(kind, line, tuple(entries), path) for kind, line, entries in drafts)


def shortened(text: str) -> str:
    """Text found instead of an expected number or line, short enough for a message."""
    return text if len(text) <= 40 else text[:37] + "..."


def _number_span(number: re.Pattern[str], text: str, entry: Entry) -> tuple[int, int]:
    """Where the first number of a value stands, blanks inside it included (``1 6`` is 16)."""
    match = number.search(entry.value)
    if match is None:
        return entry.start, entry.end
    solid = [at for at in range(entry.start, entry.end) if text[at] not in _BLANKS]
    return solid[match.start()], solid[match.end() - 1] + 1


def _without_blanks(raw: str) -> str:
    return raw.translate(dict.fromkeys(map(ord, _BLANKS)))


def _entry(raw: str, line: str, number: int, offset: int, path: Path) -> Entry:
    key, equals, value = line.partition("=")
    if not equals or not key:
        raise ModelError(
            f"{path}:{number}: expected key=value, [section] or a comment: {shortened(line)!r}"
        )
    start = raw.index("=") + 1
    body = raw[start:]
    lead = len(body) - len(body.lstrip(_BLANKS))
    end = start + len(body.rstrip(_BLANKS))
    return Entry(key, value, number, offset + min(start + lead, end), offset + end)
