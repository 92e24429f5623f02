"""A data specification: a path and settings behind it."""

from __future__ import annotations

import os
import re
from pathlib import Path

_SETTINGS = re.compile(r"(?P<path>.+):(?P<settings>[a-z_]+=[^:]*)")
"""A path and what follows its last colon, where that is ``key=value``: paths hold colons too."""


def split_spec(spec: str) -> tuple[Path, str]:
    """The path of a data specification, and its settings as written.

    What exists as a whole is a path: ``c:d.npz``. So is what no ``:key=value`` follows.
    """
    found = _SETTINGS.fullmatch(spec)
    if found is None or os.path.exists(spec):
        return Path(spec), ""
    return Path(found["path"]), found["settings"]
