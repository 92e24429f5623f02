"""The legacy ``[pruning]`` cfg to settings (``vai_p_darknet pruner``, UG1333).

Paths are relative to the working directory, as Darknet's are. Weights are not among the keys:
vai_p_darknet takes them from the command line, as ``--weights`` does here.
"""

from __future__ import annotations

import difflib
import math
from pathlib import Path

from prunus.plugin import Settings, UsageError, read_regular
from prunus_darknet.cfg import Section, parse_sections, shortened

_FIRST_BYTES = 65536
_OUTPUTS = ("prunedcfg", "prune_out_weights")
"""Keys that name files which `prune` writes, and the format options of the same names."""

DEFAULT_THRESHOLD = 0.005
ANALYSIS = "ana.out"

_DETECTORS = ("yolov3", "is_yolov3", "yolo_v3v4")
_READ = frozenset(
    "workspace datacfg modelcfg criteria kernel_batch ignore_layer threshold gpus".split()
) | {"ana_out_file", *_OUTPUTS}
_KNOWN = _READ | frozenset(_DETECTORS)
_NEAR = 0.8
"""Keys as alike as this (``difflib``) are taken for misspelt."""


def read_config(path: Path) -> Settings | None:
    """Settings of a ``[pruning]`` cfg; ``None`` for any other file.

    Raises:
        UsageError: a key is missing, or a value does not fit its key (file and line).
        ModelError: a line is no ``key=value``.
    """
    try:
        data = read_regular(path)
    except OSError:
        return None
    if not _is_pruning(data[:_FIRST_BYTES]):
        return None
    sections = parse_sections(data.decode("latin-1"), path)
    if len(sections) > 1:
        raise UsageError(
            f"{path}:{sections[1].line}: [{shortened(sections[1].type)}]: a pruning cfg has one "
            "section, [pruning]"
        )
    return _settings(sections[0], path)


def _is_pruning(head: bytes) -> bool:
    for raw in head.split(b"\n"):
        line = raw.translate(None, b" \t\r")
        if line and line[:1] not in (b"#", b";"):
            return line.startswith(b"[pruning]")
    return False


def _settings(section: Section, path: Path) -> Settings:
    model, workspace = _named(section, "modelcfg"), _named(section, "workspace")
    data = section.text("datacfg", "") or None
    threshold = _threshold(section)
    return Settings(
        model=model,
        workspace=workspace,
        data=data,
        threshold=DEFAULT_THRESHOLD if threshold is None else threshold,
        multiple=_multiple(section),
        exclude=_ignored(section),
        analysis_file=_file_name(section, "ana_out_file") or ANALYSIS,
        options=_options(section, data),
        notes=_notes(section, path),
        legacy_count=True,
    )


def _named(section: Section, key: str) -> Path:
    text = section.text(key, "")
    if not text:
        raise UsageError(f"{section.path}:{section.line}: expected {key}= in [pruning], found none")
    return Path(text)


def _threshold(section: Section) -> float | None:
    entry = section.find("threshold")
    if entry is None:
        return None
    try:
        value = float(entry.value)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise _wrong(section, "threshold", "a number from 0")
    return value


def _multiple(section: Section) -> int | None:
    entry = section.find("kernel_batch")
    if entry is None:
        return None
    text = entry.value
    if not text.isascii() or not text.isdigit() or len(text) > 9 or int(text) < 1:
        raise _wrong(section, "kernel_batch", "a whole number from 1")
    return int(text)


def _ignored(section: Section) -> tuple[str, ...]:
    """Layer indices, as written: the first part of a layer's name here."""
    text = section.text("ignore_layer", "")
    found = tuple(part for part in text.split("#")[0].split(",") if part)
    if not all(part.isascii() and part.isdigit() and len(part) < 10 for part in found):
        raise _wrong(section, "ignore_layer", "layer numbers parted by commas")
    return tuple(str(int(part)) for part in found)


def _options(section: Section, data: str | None) -> dict[str, str]:
    """Names of output files and the ``.data`` file; other files keep their default names."""
    names = {key: _file_name(section, key) for key in _OUTPUTS}
    options = {key: name for key, name in names.items() if name is not None}
    return options if data is None else {**options, "datacfg": data}


def _file_name(section: Section, key: str) -> str | None:
    """The last part of a key's path; ``None`` where it is empty or missing."""
    text = section.text(key, "")
    name = Path(text).name
    if text and name in ("", ".."):
        raise _wrong(section, key, "a file name")
    return name or None


def _notes(section: Section, path: Path) -> tuple[str, ...]:
    for entry in section.entries:
        near = difflib.get_close_matches(entry.key, _READ, 1, _NEAR)
        if near and entry.key not in _KNOWN:
            raise UsageError(
                f"{path}:{entry.line}: unknown key '{entry.key}'; did you mean '{near[0]}'?"
            )
    notes = [
        f"{path}:{entry.line}: key '{entry.key}' is not known and has no effect"
        for entry in section.entries
        if entry.key not in _KNOWN
    ]
    criteria = section.text("criteria", "")
    if criteria:
        notes.append(
            f"criteria={criteria}: what vai_p_darknet meant by it was never documented; "
            "the default criterion is taken, choose with --criterion"
        )
    if section.has("gpus"):
        notes.append(f"gpus={section.text('gpus', '')}: analysis and pruning run on the CPU")
    return tuple(notes)


def _wrong(section: Section, key: str, expected: str) -> UsageError:
    entry = section.find(key)
    assert entry is not None
    shown = shortened(entry.value)
    return UsageError(f"{section.path}:{entry.line}: {key}={shown}: expected {expected}")
