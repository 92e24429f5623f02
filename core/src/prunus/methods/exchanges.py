"""Exchanges of units between groups that keep the rate and lower a measured loss.

Each group is measured alone with one notch more and with one notch less, a notch being about the
same cost in every group. What the network gains where one group is given a notch and another one
gives it is about the sum of both. The most promising exchanges are measured, and what lowers the
loss stays. Compare the steps of NetAdapt (Yang et al., ECCV 2018), which only shrinks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import attrs
import numpy as np

from prunus.planning.budget import Planning
from prunus.planning.search import Counts, Levels
from prunus.planning.target import refine

_NOTCHES = (1 / 16, 1 / 32, 1 / 64)
"""Shares of the whole cost that are exchanged, the larger first."""

GAIN = 0.002
"""Share by which a loss must fall to count: less is noise of few samples."""


@attrs.frozen(eq=False)
class Exchanges:
    """A network whose groups exchange units.

    Attributes:
        planning: Groups and cost.
        levels: Feasible numbers of kept units, descending.
        goal: Cost to keep to.
        measure: Loss of counts ``(G,)``; ``None`` once no more may be measured.
    """

    planning: Planning
    levels: Levels
    goal: float
    measure: Callable[[Counts], float | None]

    def improved(self, counts: Counts, loss: float) -> tuple[Counts, float]:
        """The best plan that exchanges lead to, and its loss: all notches as long as one helps.

        Args:
            counts: The plan to begin with, ``(G,)``.
            loss: Its measured loss.
        """
        before = np.inf
        while loss < before:
            before = loss
            for share in _NOTCHES:
                notches = _Notches(self, share)
                while (found := notches.next(counts, loss)) is not None:
                    counts, loss = found
        return counts, loss


class _Notches:
    """What one notch more or less changes, remembered until the group itself moves."""

    def __init__(self, exchanges: Exchanges, share: float) -> None:
        self._exchanges = exchanges
        self._size = share * exchanges.planning.cost.total
        self._changes: dict[tuple[int, int, int], float] = {}
        self._refused: set[bytes] = set()

    def next(self, counts: Counts, loss: float) -> tuple[Counts, float] | None:
        """A better plan and its loss; ``None`` where no promising exchange is one."""
        asked = self._exchanges
        for moved in self._promising(counts, loss):
            plan = refine(asked.planning, asked.levels, moved, asked.goal)
            if np.array_equal(plan, counts) or plan.tobytes() in self._refused:
                continue
            found = asked.measure(plan)
            if found is None:
                return None
            if found < loss * (1 - GAIN):
                return plan, found
            self._refused.add(plan.tobytes())
        return None

    def _promising(self, counts: Counts, loss: float) -> Iterator[Counts]:
        """Plans by the loss expected of them, the lowest first; none above the present one."""
        more, less = self._steps(counts, 1), self._steps(counts, -1)
        gains = self._measured(counts, loss, more)
        pains = self._measured(counts, loss, less)
        pairs = [
            (gains[up] + pains[down], up, down) for up in gains for down in pains if up != down
        ]
        for expected, up, down in sorted(pairs)[: len(counts)]:
            if expected >= 0:
                return
            moved = counts.copy()
            moved[up], moved[down] = more[up], less[down]
            yield moved

    def _steps(self, counts: Counts, sign: int) -> dict[int, int]:
        """Group -> its count a notch away, where it has one."""
        cost = self._exchanges.planning.cost
        gradient = cost.gradient(counts)
        found = {}
        for group, level in enumerate(self._exchanges.levels):
            beyond = level[level > counts[group]] if sign > 0 else level[level < counts[group]]
            if len(beyond) and gradient[group] > 0:
                away = np.abs(np.abs(beyond - counts[group]) * gradient[group] - self._size)
                found[group] = int(beyond[int(away.argmin())])
        return found

    def _measured(self, counts: Counts, loss: float, steps: dict[int, int]) -> dict[int, float]:
        """Group -> change of the loss by its step."""
        found = {}
        for group, count in steps.items():
            key = (group, int(counts[group]), count)
            if key not in self._changes:
                moved = counts.copy()
                moved[group] = count
                measured = self._exchanges.measure(moved)
                if measured is None:
                    break
                self._changes[key] = measured - loss
            found[group] = self._changes[key]
        return found
