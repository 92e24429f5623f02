"""Which files are PyTorch's; imports nothing heavy."""

from __future__ import annotations

from pathlib import Path

PROGRAM = ".pt2"
CHECKPOINTS = (".pt", ".pth")

_STARTS = (b"PK\x03\x04", b"\x80\x02")
"""A zip archive, and the pickles of torch before 1.6."""


def is_torch(path: Path) -> bool:
    """Whether a path is a program or a checkpoint."""
    if path.suffix not in (PROGRAM, *CHECKPOINTS):
        return False
    try:
        with path.open("rb") as file:
            return path.is_file() and file.read(4).startswith(_STARTS)
    except OSError:
        return False


def names_code(name: str, value: str) -> bool:
    """Whether an option makes the format run Python: the user's factory, or a pickle."""
    return name == "module" or (name == "unsafe" and value.lower() != "no")
