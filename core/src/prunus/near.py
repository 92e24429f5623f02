"""Names near to one that nobody knows, for messages."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def meant(name: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """The tail of a message: ``; did you mean 'conv1'?``, or nothing where no name is near."""
    near = difflib.get_close_matches(name, list(known), 1, cutoff)
    return f"; did you mean '{near[0]}'?" if near else ""
