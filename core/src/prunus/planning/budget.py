"""The inputs of an allocation."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import attrs
import numpy as np
from numpy.typing import NDArray

from prunus.errors import UsageError
from prunus.groups import Group
from prunus.selection import choose_units, feasible_counts
from prunus.sensitivity import Sensitivity

if TYPE_CHECKING:
    from prunus.graph.macs import CostModel


@attrs.frozen
class Budget:
    """The target.

    Attributes:
        rate: Share of the original network's MACs to remove, in [0, 1).
        threshold: Metric loss each group alone may cause; exactly one of both is set.
        multiple: Kept channels are rounded up to this.
        seed: Seed of anything drawn.
        best_effort: The nearest plan is wanted, however far from the target it is.
    """

    rate: float | None = None
    threshold: float | None = None
    multiple: int = 2
    seed: int = 0
    best_effort: bool = False


def check_budget(budget: Budget, said: Callable[[str], str] = str) -> None:
    """Refuse a target that makes no sense.

    Args:
        budget: The target.
        said: A field's name as the user knows it, for messages.

    Raises:
        UsageError: not exactly one of rate and threshold, or a number out of range.
    """
    rate, threshold = budget.rate, budget.threshold
    if (rate is None) == (threshold is None):
        raise UsageError(
            f"give either {said('rate')} (share of MACs to remove) or {said('threshold')} (metric "
            "loss per group)"
        )
    if rate is not None and not 0 <= rate < 1:
        raise UsageError(f"{said('rate')} {rate:g}: a share of MACs in [0, 1), for example 0.5")
    if threshold is not None and not 0 <= threshold < math.inf:
        raise UsageError(f"{said('threshold')} {threshold:g}: a loss, not negative")
    if budget.multiple < 1:
        raise UsageError(f"{said('multiple')} {budget.multiple}: a whole number from 1")


@attrs.frozen(eq=False)
class Planning:
    """Facts about the groups.

    Attributes:
        groups: Prunable groups, in the order of the network.
        scores: Group name -> ``(C,)``, higher is kept.
        present: Group name -> ``(C,)`` bool, False for units earlier rounds removed.
        cost: MACs as a function of kept units: ``cost.macs(counts)`` with counts ``(G,)`` in the
            order of ``cost.names``, ``cost.total`` of the whole network, ``cost.kept(plan)`` the
            counts of a plan.
        sensitivity: Measured curves, or ``None``.
    """

    groups: tuple[Group, ...]
    scores: Mapping[str, NDArray[np.float64]]
    present: Mapping[str, NDArray[np.bool_]]
    cost: CostModel
    sensitivity: Sensitivity | None

    def levels(self, group: Group, multiple: int) -> NDArray[np.int64]:
        """Numbers of units the group may keep, descending, the present number first."""
        present, *lower = feasible_counts(group, self.present[group.name])
        return np.array([present, *(n for n in lower if n % multiple == 0)], np.int64)

    def keep(self, counts: Mapping[str, int]) -> dict[str, NDArray[np.bool_]]:
        """Choose units by score: group name -> ``(C,)`` bool."""
        return {
            group.name: choose_units(
                group, self.scores[group.name], counts[group.name], self.present[group.name]
            )
            for group in self.groups
            if counts[group.name] < group.size
        }
