"""Recognises Darknet cfg files by name and first bytes."""

from __future__ import annotations

from pathlib import Path

from prunus.plugin import check_regular

FORMAT = "darknet"

_FIRST_BYTES = 65536


def is_darknet(path: Path) -> bool:
    """True for a text file whose first section is ``[net]`` or ``[network]``; never raises."""
    if path.suffix.lower() not in (".cfg", ".txt", ".conf", ""):
        return False
    try:
        check_regular(path)
        with path.open("rb") as stream:
            head = stream.read(_FIRST_BYTES)
    except (OSError, ValueError):
        return False
    for raw in head.split(b"\n"):
        line = raw.strip()
        if line and line[:1] not in (b"#", b";"):
            return line.startswith((b"[net]", b"[network]"))
    return False
