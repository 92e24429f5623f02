"""Names of the distributions that a distribution requires."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.metadata import requires

_END = re.compile(r"[^\w.-]")
"""Behind a name: versions, extras or a marker."""


def required_by(distribution: str) -> Iterator[str]:
    """Names without which a distribution does not work.

    Requirements with a marker are left out: they are of an extra, or of another system or Python.

    Raises:
        PackageNotFoundError: the distribution is not installed.
    """
    for requirement in requires(distribution) or ():
        text, _, marker = requirement.partition(";")
        if not marker:
            yield _END.split(text.strip(), maxsplit=1)[0]
