"""Whether Darknet's library is there."""

from __future__ import annotations

from prunus.plugin import UsageError
from prunus_darknet.library import VARIABLE, library


def version() -> str:
    """The library's path: it tells no version.

    Raises:
        UsageError: there is no library.
    """
    found = library()
    if found is None:
        raise UsageError(
            f"install Darknet (Debian package darknet), or name libdarknet.so with {VARIABLE}"
        )
    return str(found)
