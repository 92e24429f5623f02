"""The file of an imagined older pruning tool for toy networks, ``key value`` a line."""

from __future__ import annotations

from pathlib import Path

from prunus.plugin import SHARE_BELOW_ONE, Settings, UsageError, read_regular


def read_settings(path: Path) -> Settings:
    """What it says, in the terms of the command line; paths are relative to the file.

    Raises:
        UsageError: an unknown key, or a value that cannot be.
    """
    try:
        text = read_regular(path).decode()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot be read as text; check --config") from error
    said = dict(line.split(maxsplit=1) for line in text.splitlines() if len(line.split()) > 1)
    unknown = sorted(set(said) - {"network", "remove", "keep_whole"})
    if unknown:
        raise UsageError(f"{path}: unknown key {unknown[0]!r}; remove it")
    return Settings(
        model=path.parent / said["network"] if "network" in said else None,
        rate=_share(path, said["remove"]) if "remove" in said else None,
        exclude=tuple(said.get("keep_whole", "").split()),
    )


def _share(path: Path, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not SHARE_BELOW_ONE.holds(value):
        raise UsageError(f"{path}: remove {text!r}; give {SHARE_BELOW_ONE}")
    return value
