"""Units that a mask removes: whole channels, single weights, or weights in an N:M pattern."""

from __future__ import annotations

import re

import attrs

from prunus.errors import UsageError

CHANNEL, WEIGHT = "channel", "weight"
"""Kinds of units."""

HEAD = "head"
"""Units of a group beside those of channels: all channels of a head of attention."""

_LARGEST = 64
"""Largest M of a pattern; hardware knows 4."""


@attrs.frozen
class Pattern:
    """Of every ``of`` weights that follow each other on the input axis, ``kept`` stay.

    Attributes:
        kept: N, from 1.
        of: M, larger than N.
    """

    kept: int
    of: int

    def __str__(self) -> str:
        return f"{self.kept}:{self.of}"


@attrs.frozen
class Granularity:
    """The units of a plan.

    Attributes:
        unit: ``channel`` or ``weight``.
        pattern: Where single weights may only go in a pattern: which one.
    """

    unit: str = CHANNEL
    pattern: Pattern | None = None

    @property
    def units(self) -> str:
        """The word of users for several units."""
        return f"{self.unit}s"

    @property
    def counted(self) -> str:
        """Cost that a rate is a share of."""
        return "MACs" if self.unit == CHANNEL else "weights"

    @property
    def prefix(self) -> str:
        """Start of the name of a round's directory; nothing for channels."""
        if self.pattern is not None:
            return f"{self.pattern.kept}of{self.pattern.of}_"
        return "" if self.unit == CHANNEL else f"{self.unit}_"

    def __str__(self) -> str:
        return self.unit if self.pattern is None else str(self.pattern)


CHANNELS = Granularity()
"""Whole channels: the usual granularity."""


def granularity_of(text: str | Granularity) -> Granularity:
    """The granularity of a text: ``channel``, ``weight`` or ``N:M``.

    Raises:
        UsageError: it is none.
    """
    if isinstance(text, Granularity):
        return text
    if text in (CHANNEL, WEIGHT):
        return Granularity(text)
    found = re.fullmatch(r"([0-9]{1,2}):([0-9]{1,2})", text)
    if found is not None and 0 < int(found[1]) < int(found[2]) <= _LARGEST:
        return Granularity(WEIGHT, Pattern(int(found[1]), int(found[2])))
    raise UsageError(
        f"granularity {text!r}: channel, weight, or a pattern N:M of single weights, such as 2:4"
    )
