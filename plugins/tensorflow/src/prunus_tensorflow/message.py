"""What an error of TensorFlow, Keras or the user's code says, in one line."""

from __future__ import annotations

import traceback
from pathlib import Path


def first_line(error: BaseException) -> str:
    """First line of an error, cut where Keras starts to print whole configurations."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    line = lines[0].split(" Full object config")[0]
    return line if len(line) <= 300 else f"{line[:300]}…"


def shortened(text: str, limit: int = 80) -> str:
    """Text of a file for a message: one line of visible characters, not longer than ``limit``."""
    plain = "".join(one if one.isprintable() else "?" for one in text)
    return plain if len(plain) <= limit else f"{plain[: limit - 1]}…"


def failure(error: BaseException, where: str, path: Path | None) -> str:
    """The user's code, the line of it where an error arose, and what it says.

    Args:
        error: What was raised.
        where: How the user named the code.
        path: Its file; the innermost frame counts without it.
    """
    frames = traceback.extract_tb(error.__traceback__)
    if path is not None:
        frames = [frame for frame in frames if Path(frame.filename) == path]  # type: ignore[assignment]
    line = f", line {frames[-1].lineno}" if frames else ""
    return f"{where}{line}: {type(error).__name__}: {first_line(error)}"
