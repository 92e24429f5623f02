"""Text out of a file that cannot steer what shows it."""

from __future__ import annotations


def printable(text: str) -> str:
    """Text with escapes instead of control, format and surrogate characters."""
    if text.isprintable():
        return text
    return "".join(
        sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text
    )
