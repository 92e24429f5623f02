"""Ranges of numbers that a file or an option may state."""

from __future__ import annotations

import math

import attrs

LARGEST_COUNT = 2**31 - 1
"""Training frameworks count iterations and samples in 32 bits."""


@attrs.frozen
class Range:
    """Numbers from ``low`` to ``high``; NaN and infinity are in none.

    Attributes:
        low, high: Bounds.
        above: ``low`` itself is not in it.
        below: ``high`` itself is not in it.
        whole: Whole numbers only.
    """

    low: float = 0.0
    high: float = math.inf
    above: bool = False
    below: bool = False
    whole: bool = False

    def holds(self, value: float) -> bool:
        """Whether ``value`` is in the range."""
        if not math.isfinite(value) or (self.whole and value != int(value)):
            return False
        start = value > self.low if self.above else value >= self.low
        return start and (value < self.high if self.below else value <= self.high)

    def __str__(self) -> str:
        noun = "a whole number" if self.whole else "a number"
        low = "" if self.low == -math.inf else f" {'above' if self.above else 'from'} {self.low:g}"
        if self.high in (math.inf, LARGEST_COUNT):
            return noun + (low or " that is finite")
        return f"{noun}{low}{' to below' if self.below else ' to'} {self.high:g}"


COUNT = Range(1, LARGEST_COUNT, whole=True)
COUNT_OR_NONE = Range(0, LARGEST_COUNT, whole=True)
POSITIVE = Range(0, above=True)
NOT_NEGATIVE = Range(0)
SHARE = Range(0, 1)
SHARE_BELOW_ONE = Range(0, 1, below=True)
FINITE = Range(-math.inf)
