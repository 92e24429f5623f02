"""Signs that a network has collapsed: its outputs no longer tell samples apart.

A sign is one only where the original network does not show it on the same samples.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prunus.evaluation.agreement import Agreement
from prunus.task import Array

_CHANCE = 1e-3
"""Probability below which answers are no accident."""

_KAPPA = 0.1
"""Agreement beyond chance, as a share of what is possible beyond chance (Cohen's kappa, 1960)."""

_FEWEST = 16
"""Samples below which agreement is not compared with chance."""

_DETECTED = 0.05
"""Share of the original's detections below which a detector has collapsed."""

_EQUAL = 1e-6
"""Differences of outputs, as a share of the largest one, that are rounding."""

MEND = (
    "prune less, compensate with more samples (--data, --train-data), or finetune before it is used"
)


class CollapseWatch:
    """Looks at the outputs of a network and of its original, batch by batch."""

    def __init__(self, agreement: Agreement | None) -> None:
        """Start.

        Args:
            agreement: Makes labels of outputs, where that is known.
        """
        self._agreement = agreement
        self._count = 0
        self._ranges: dict[str, _Range] = {}
        self._wanted_ranges: dict[str, _Range] = {}
        self._found: list[Any] = []
        self._wanted: list[Any] = []

    def see(self, outputs: Mapping[str, Array], reference: Mapping[str, Array]) -> None:
        """Look at one batch of the network and of its original, ``(n, ...)`` each."""
        self._count += len(next(iter(reference.values())))
        for ranges, given in ((self._ranges, outputs), (self._wanted_ranges, reference)):
            for name, array in given.items():
                ranges.setdefault(name, _Range()).see(array)
        if self._agreement is not None:
            self._found.append(self._agreement.truth(outputs))
            self._wanted.append(self._agreement.truth(reference))

    def sign(self) -> str | None:
        """The sign in a few words, if there is one."""
        return self._constant() or self._classes() or self._boxes()

    def _constant(self) -> str | None:
        alive = [name for name, range_ in self._wanted_ranges.items() if not range_.is_constant]
        if not alive or self._count < 2 or not all(self._ranges[n].is_constant for n in alive):
            return None
        return f"its outputs are the same for all {self._count} samples"

    def _classes(self) -> str | None:
        found, wanted = (_class_numbers(parts) for parts in (self._found, self._wanted))
        if found is None or wanted is None or not len(found):
            return None
        total = len(wanted)
        shares = _shares(wanted)
        if len(np.unique(found)) == 1 and max(shares.values()) ** total < _CHANCE:
            return (
                f"all {total} samples get class {found[0]}, where the original finds "
                f"{len(shares)} classes"
            )
        agreed = float((found == wanted).mean())
        own = _shares(found)
        chance = sum(share * own.get(number, 0.0) for number, share in shares.items())
        if total < _FEWEST or agreed - chance >= _KAPPA * (1 - chance):
            return None
        return (
            f"it agrees with the original's class for {agreed:.1%} of {total} samples, and chance "
            f"alone gives {chance:.1%}"
        )

    def _boxes(self) -> str | None:
        found, wanted = (_box_count(parts) for parts in (self._found, self._wanted))
        if found is None or not wanted or found >= max(1.0, _DETECTED * wanted):
            return None
        return (
            f"it detects {found or 'nothing'} in {self._count} samples, where the original detects "
            f"{wanted} objects"
        )


class _Range:
    """Least and largest value of each number of an output, over all samples."""

    def __init__(self) -> None:
        self._low: NDArray[np.float32] | None = None
        self._high: NDArray[np.float32] | None = None

    def see(self, array: Array) -> None:
        low, high = array.min(0), array.max(0)
        self._low = low if self._low is None else np.minimum(low, self._low)
        self._high = high if self._high is None else np.maximum(high, self._high)

    @property
    def is_constant(self) -> bool:
        """Whether every sample gave the same."""
        if self._low is None or self._high is None or not self._low.size:
            return True
        size = max(float(np.abs(self._low).max()), float(np.abs(self._high).max()))
        return float((self._high - self._low).max()) <= _EQUAL * size


def _shares(classes: NDArray[np.int64]) -> dict[int, float]:
    numbers, counts = np.unique(classes, return_counts=True)
    return dict(zip(numbers.tolist(), (counts / len(classes)).tolist(), strict=True))


def _class_numbers(parts: list[Any]) -> NDArray[np.int64] | None:
    """Class numbers ``(N,)``; ``None`` for labels of another kind."""
    if not all(isinstance(part, np.ndarray) and part.ndim == 1 for part in parts) or not parts:
        return None
    return np.concatenate(parts).astype(np.int64)


def _box_count(parts: list[Any]) -> int | None:
    """Number of boxes; ``None`` for labels of another kind."""
    samples = [boxes for part in parts if not isinstance(part, np.ndarray) for boxes in part]
    if not samples or not all(isinstance(b, np.ndarray) and b.ndim == 2 for b in samples):
        return None
    return sum(len(boxes) for boxes in samples)
