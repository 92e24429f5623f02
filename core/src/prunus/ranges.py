"""Ranges of numbers that a file or an option may state."""

from __future__ import annotations

import math

import attrs
import numpy as np

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

    def holds(self, value: object) -> bool:
        """Whether ``value`` is a number in the range.

        Whatever is no real number is in no range: texts, ``None``, and the two bools, which JSON
        and TOML keep apart from numbers.
        """
        if isinstance(value, bool) or not isinstance(value, float | int | np.floating | np.integer):
            return False
        try:
            number = float(value)
        except OverflowError:  # an integer of hundreds of digits
            return False
        if not math.isfinite(number) or (self.whole and not number.is_integer()):
            return False
        start = number > self.low if self.above else number >= self.low
        return start and (number < self.high if self.below else number <= self.high)

    def __str__(self) -> str:
        noun = "a whole number" if self.whole else "a number"
        low = "" if self.low == -math.inf else f" {'above' if self.above else 'from'} {self.low:g}"
        if self.high in (math.inf, LARGEST_COUNT):
            return noun + (low or " that is finite")
        return f"{noun}{low}{' to below' if self.below else ' to'} {self.high:g}"


COUNT = Range(1, LARGEST_COUNT, whole=True)
"""Whole numbers from 1 to 2^31 - 1."""

COUNT_OR_NONE = Range(0, LARGEST_COUNT, whole=True)
"""Whole numbers from 0 to 2^31 - 1."""

POSITIVE = Range(0, above=True)
"""Numbers above 0."""

NOT_NEGATIVE = Range(0)
"""Numbers from 0."""

SHARE = Range(0, 1)
"""Numbers from 0 to 1, both included."""

SHARE_BELOW_ONE = Range(0, 1, below=True)
"""Numbers from 0 to below 1."""

FINITE = Range(-math.inf)
"""All numbers but NaN and infinity."""
