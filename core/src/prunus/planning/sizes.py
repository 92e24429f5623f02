"""Sizes of files as people write them."""

from __future__ import annotations

import re

from prunus.errors import UsageError

_UNITS = {
    "": 1,
    "B": 1,
    "kB": 1000,
    "MB": 1000**2,
    "GB": 1000**3,
    "KiB": 1024,
    "MiB": 1024**2,
    "GiB": 1024**3,
}


def bytes_of(size: str | int | None, said: str = "bytes") -> int | None:
    """A size in bytes: ``2MB`` is 2,000,000, ``2MiB`` 2,097,152; a number alone counts bytes.

    Args:
        size: The size, or ``None``.
        said: Its name as the user knows it, for the message.

    Raises:
        UsageError: it is no size.
    """
    if size is None or isinstance(size, int):
        return size
    found = re.fullmatch(r"([0-9]{1,15}(?:\.[0-9]{1,15})?) ?([A-Za-z]*)", size.strip())
    if found is None or found[2] not in _UNITS:
        raise UsageError(
            f"{said} {size}: a size such as 2MB or 1.5MiB; units are B, kB, MB, GB (powers of "
            "1000), KiB, MiB, GiB (powers of 1024)"
        )
    return round(float(found[1]) * _UNITS[found[2]])
