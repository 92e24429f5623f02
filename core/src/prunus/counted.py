"""Numbers with their nouns, for messages."""

from __future__ import annotations


def counted(number: int, noun: str) -> str:
    """``1 group``, ``2 groups``; thousands are set apart."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
