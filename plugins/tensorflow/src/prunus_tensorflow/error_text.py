"""Text of an error of TensorFlow, Keras or the user's code, in one line."""

from __future__ import annotations

import re
import traceback
from pathlib import Path

_CAUSE = "Exception encountered: "
_LAYER = re.compile(r"Error when deserializing class '(\w+)' using config=\{'name': '([^']*)'")
_MOST = 200


def first_line(error: BaseException) -> str:
    """The line of an error that names its cause.

    Keras puts it behind whole configurations, which are left out.
    """
    text = str(error).strip() or type(error).__name__
    layers = _LAYER.findall(text)
    where = f"layer '{layers[-1][1]}' of type '{layers[-1][0]}': " if layers else ""
    cause = text.rpartition(_CAUSE)[2].strip() or text
    line = cause.splitlines()[0].split(" Full object config")[0]
    return shortened(f"{where}{line}", _MOST)


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
