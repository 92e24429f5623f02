"""Balance constraints of a group: which numbers of units satisfy them, and which units are best."""

from __future__ import annotations

import math
from functools import cached_property
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from prunus.groups import Group, Indices, Multiple


@attrs.frozen(eq=False, slots=False)
class Balance:
    """The constraints on the units that are still there.

    Attributes:
        units: ``(n,)`` positions of these units in the group.
        rows: Distinct balance constraints, ``(R, n)`` each.
        multiples: Constraints of whole multiples, ``(n,)`` each.
    """

    units: Indices
    rows: tuple[Indices, ...]
    multiples: tuple[Multiple, ...]

    @classmethod
    def of(cls, group: Group, present: NDArray[np.bool_] | None = None) -> Balance:
        """The constraints of a group, all its units present unless ``(C,)`` says otherwise."""
        units = np.arange(group.size) if present is None else np.flatnonzero(present)
        rows = {_kind(counts[:, units]): counts[:, units] for counts in group.rows}
        multiples = [Multiple(m.counts[units], m.of) for m in group.multiples]
        return cls(units, tuple(rows.values()), tuple(multiples))

    @cached_property
    def step(self) -> int:
        """Common divisor of the numbers of removed units, as far as one number tells."""
        found = (*map(_rows_step, self.rows), *map(_multiple_step, self.multiples))
        return math.lcm(*(step for step in found if step is not None))

    @cached_property
    def regular(self) -> bool:
        """Whether every multiple of `step` can be removed.

        With each unit in one row of each of two families, of equal rows, the same share of
        every unit balances both; the constraints of a transportation problem are totally
        unimodular, so that whole units do too.
        """
        found = (*map(_rows_step, self.rows), *map(_multiple_step, self.multiples))
        return len(self.rows) <= 2 and None not in found

    def below(self, number: int) -> int | None:
        """The largest feasible number of units up to ``number``; ``None`` where there is none."""
        if self.regular:
            number -= (number - len(self.units)) % self.step
            return number if number > 0 else None
        found = None if number < 1 else self._solved(np.ones(len(self.units)), 1, number)
        return None if found is None else len(found)

    def above(self, number: int) -> int:
        """The smallest feasible number of units from ``number`` on; all of them is one."""
        whole = len(self.units)
        if self.regular:
            return number + (whole - number) % self.step
        found = self._solved(-np.ones(whole), number, whole)
        return whole if found is None else len(found)

    def best(self, scores: NDArray[np.float64], number: int) -> Indices:
        """The best ``number`` units, a feasible one, as positions in `units`.

        Ties are broken by position.
        """
        whole = len(self.units)
        order = np.argsort(-scores, kind="stable")
        if not self.rows and self.regular:
            return np.asarray(order[:number])
        if len(self.rows) == 1 and self.regular:
            (rows,) = self.rows
            share = number // len(rows)
            return np.concatenate([order[row[order] > 0][:share] for row in rows])
        # ranks, not raw scores: the solver's tolerances then do not depend on the scale of weights
        gain = np.empty(whole)
        gain[order] = whole + np.arange(whole, 0, -1)
        found = self._solved(gain, number, number)
        return np.arange(whole) if found is None else found

    def _solved(self, gain: NDArray[np.float64], least: int, most: int) -> Indices | None:
        """Units of the largest gain, an integer program with a whole factor for each multiple.

        Args:
            gain: ``(n,)`` of every unit.
            least: Units at least.
            most: Units at most.
        """
        from scipy.optimize import Bounds, LinearConstraint, milp  # slow to import

        count, factors = len(self.units), len(self.multiples)
        blocks: list[tuple[NDArray[Any], float, float]] = [(np.ones((1, count)), least, most)]
        for rows in self.rows:
            blocks += [(rows[1:] - rows[:1], 0, 0), (rows[:1], 1, np.inf)]
        for multiple in self.multiples:
            rest = int(multiple.counts.sum()) % multiple.of
            blocks.append((multiple.counts[None], rest, rest))
        sizes = [len(block) for block, _, _ in blocks]
        taken = np.zeros((sum(sizes), factors))
        for index, multiple in enumerate(self.multiples):
            taken[len(taken) - factors + index, index] = -multiple.of
        found = milp(
            -np.r_[gain, np.zeros(factors)],
            constraints=LinearConstraint(
                np.hstack([np.vstack([block for block, _, _ in blocks]), taken]),
                np.repeat([low for _, low, _ in blocks], sizes),
                np.repeat([high for _, _, high in blocks], sizes),
            ),
            integrality=np.ones(count + factors),
            bounds=Bounds(
                np.r_[np.zeros(count), np.full(factors, -1.0)],
                np.r_[np.ones(count), np.full(factors, np.inf)],
            ),
        )
        return None if found.x is None else np.flatnonzero(found.x[:count] > 0.5)


def _kind(counts: Indices) -> bytes:
    """The same for constraints that say the same."""
    return np.asarray(counts > 0 if _rows_step(counts) is not None else counts).tobytes()


def _rows_step(counts: Indices) -> int | None:
    """Rows of ``(R, n)`` where each unit lies in one of them, as all others do; else ``None``."""
    filled = counts > 0
    alike = (
        bool((filled.sum(0) == 1).all())
        and len(np.unique(counts.sum(0))) == 1
        and len(np.unique(filled.sum(1))) == 1
    )
    return len(counts) if alike else None


def _multiple_step(multiple: Multiple) -> int | None:
    """The same number of channels in every unit makes it a matter of their number."""
    channels = np.unique(multiple.counts)
    return multiple.of // math.gcd(multiple.of, int(channels[0])) if len(channels) == 1 else None
