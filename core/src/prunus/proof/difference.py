"""How far apart two results are, and what counts as large."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
ValuesBefore = Mapping[str, tuple[str, ...]]


@attrs.frozen(eq=False)
class Pair:
    """One value of both networks.

    Attributes:
        output: Output it belongs to.
        first, second: The arrays.
        scale: Largest number a difference is relative to.
    """

    output: str
    first: Array
    second: Array
    scale: float

    def error(self, floor: float = 0.0) -> float:
        """Max |first - second| over the scale, or over ``floor`` where that is larger.

        Infinite for different shapes or non-numbers.
        """
        if self.first.shape != self.second.shape or not finite(self.first, self.second):
            return float("inf")
        scale = max(self.scale, floor) or 1.0
        return float(np.abs(self.first.astype(np.float64) - self.second).max(initial=0.0)) / scale


def pairs_of(
    first: Mapping[str, Array],
    second: Mapping[str, Array],
    outputs: Sequence[str],
    values_before: tuple[ValuesBefore, ValuesBefore],
) -> list[Pair]:
    """Values to compare: every output, and the value before activations that end it.

    Such an output is compared relative to that value: one that is small on its scale
    holds little but rounding.
    """
    pairs = []
    for name in outputs:
        ends = (values_before[0].get(name, ()), values_before[1].get(name, ()))
        parts = [
            Pair(name, first[one], second[other], largest(first[one]))
            for one, other in zip(*ends, strict=len(ends[0]) == len(ends[1]))
            if first[one].shape == second[other].shape and finite(first[one])
        ]
        scale = max([largest(first[name]), *(part.scale for part in parts)])
        pairs += [*parts, Pair(name, first[name], second[name], scale)]
    return pairs


def relative_error(first: Array, second: Array) -> float:
    """Max |first - second| / max |first|; infinite for different shapes or non-numbers."""
    return Pair("", first, second, largest(first)).error()


def finite(*arrays: Array) -> bool:
    """Whether all numbers are finite."""
    return all(bool(np.isfinite(array).all()) for array in arrays)


def largest(array: Array) -> float:
    """Largest absolute number; 0 of none."""
    return float(np.abs(array).max(initial=0.0))
