"""The inputs of an allocation."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

import attrs
import numpy as np
from numpy.typing import NDArray

from prunus.errors import UsageError
from prunus.granularity import HEAD, Granularity
from prunus.groups import Group
from prunus.selection import choose_units, feasible_counts
from prunus.sensitivity import Sensitivity

if TYPE_CHECKING:
    from prunus.graph.macs import CostModel


COSTS = ("rate", "params", "bytes", "latency")
"""Budgets of a cost, in the order in which a plan meets them."""


@attrs.frozen
class Budget:
    """The target.

    Several costs may be limited at once, and the loss besides: a plan meets all of them. An
    allocation meets one cost at a time: it gets `Planning.cost`, and as ``rate`` the share of it
    that is to go; the other limits are ``None`` then.

    Attributes:
        rate: Share of the original network's MACs to remove, in [0, 1); of single weights, share
            of the weights of its convolutions and fully connected layers.
        threshold: Metric loss each group alone may cause.
        density: Group, or layer -> share of its units that stay, in (0, 1]; others stay whole.
        multiple: Kept channels are rounded up to this.
        seed: Seed of anything drawn.
        best_effort: The nearest plan is wanted, however far from the target it is.
        params: Share of the original network's parameters to remove, in [0, 1).
        bytes: Size of the weights file to come down to.
        latency: Share of the measured time of one sample to save, in [0, 1).
        max_loss: Metric that the whole network may lose, compensated.
    """

    rate: float | None = None
    threshold: float | None = None
    density: Mapping[str, float] | None = attrs.field(default=None, kw_only=True)
    multiple: int = 2
    seed: int = 0
    best_effort: bool = False
    params: float | None = attrs.field(default=None, kw_only=True)
    bytes: int | None = attrs.field(default=None, kw_only=True)
    latency: float | None = attrs.field(default=None, kw_only=True)
    max_loss: float | None = attrs.field(default=None, kw_only=True)

    @property
    def costs(self) -> tuple[str, ...]:
        """Names of the costs that are limited."""
        return tuple(name for name in COSTS if getattr(self, name) is not None)

    @property
    def kinds(self) -> int:
        """How many kinds of targets are set: whole-network limits, a threshold, densities."""
        whole = bool(self.costs) or self.max_loss is not None
        return whole + (self.threshold is not None) + (self.density is not None)

    def only(self, rate: float) -> Budget:
        """The same options for one cost."""
        return attrs.evolve(self, rate=rate, params=None, bytes=None, latency=None, max_loss=None)


def check_budget(budget: Budget, said: Callable[[str], str] = str, counted: str = "MACs") -> None:
    """Refuse a target that makes no sense.

    Args:
        budget: The target.
        said: A field's name as the user knows it, for messages.
        counted: ``MACs`` or ``weights``: what a rate is a share of.

    Raises:
        UsageError: not exactly one kind of target, or a number out of range.
    """
    if budget.kinds != 1:
        more = ("params", "bytes", "latency", "max_loss") if counted == "MACs" else ("max_loss",)
        raise UsageError(
            f"give either {said('rate')} (share of {counted} to remove), "
            f"{', '.join(map(said, more))} or several of these; or {said('threshold')} (metric "
            f"loss per group); or {said('density')} (share of a group that stays)"
        )
    shares = {"rate": counted, "params": "parameters", "latency": "the measured time"}
    for name, unit in shares.items():
        share = getattr(budget, name)
        if share is not None and not 0 <= share < 1:
            percent = 1 < share < 100
            meant = f"did you mean {share / 100:g}?" if percent else "for example 0.5"
            raise UsageError(
                f"{said(name)} {share:g}: a share of {unit} in [0, 1){';' if percent else ','} "
                f"{meant}"
            )
    others = [name for name in budget.costs if name != "rate"]
    if others and counted != "MACs":
        raise UsageError(
            f"{said(others[0])}: single weights that are zero make no network smaller or faster; "
            f"use {said('rate')}, or whole channels"
        )
    if budget.bytes is not None and budget.bytes < 1:
        raise UsageError(f"{said('bytes')} {budget.bytes}: a size, for example 2MB")
    for name, share in (budget.density or {}).items():
        if not 0 < share <= 1:
            raise UsageError(f"{said('density')} {name}={share:g}: a share above 0, up to 1")
    for name in ("threshold", "max_loss"):
        loss = getattr(budget, name)
        if loss is not None and not 0 <= loss < math.inf:
            raise UsageError(f"{said(name)} {loss:g}: a loss, not negative")
    if budget.multiple < 1:
        raise UsageError(f"{said('multiple')} {budget.multiple}: a whole number from 1")


def check_loss(loss: float | None, metric: str, baseline: float, *, rises: bool, said: str) -> None:
    """Refuse a loss that a network cannot lose: hundredths that were meant as they are shown.

    Args:
        loss: Metric that may be lost, or ``None``.
        metric: Its name.
        baseline: The original network's value.
        rises: Whether higher is better.
        said: The loss's name as the user knows it.

    Raises:
        UsageError: the metric is a share, and the loss is 1 or more.
    """
    if loss is not None and loss >= 1 and rises and 0 < baseline <= 1:
        meant = f"; did you mean {loss / 100:g}?" if loss < 100 else ""
        raise UsageError(
            f"{said} {loss:g}: {metric} of the original is {baseline:.4g}, so that any network "
            f"would do{meant}"
        )


def aimed(budget: Budget, groups: Sequence[Group], granularity: Granularity) -> Budget:
    """A pattern says itself how much goes: without a target, every group is brought into it."""
    pattern = granularity.pattern
    if pattern is None or budget.kinds:
        return budget
    share = pattern.kept / pattern.of
    return attrs.evolve(budget, density={group.name: share for group in groups})


class PlanTrials(Protocol):
    """Measures whole plans, compensated, on held-out samples."""

    @property
    def samples(self) -> int:
        """Samples that judge in one trial, each a plan that was not fitted to it."""

    def loss(self, keep: Mapping[str, NDArray[np.bool_]]) -> float:
        """How far the pruned network's outputs are from the original's; lower is better.

        Args:
            keep: Group name -> ``(C,)`` bool, as `Planning.keep` gives it.
        """

    @property
    def fitted(self) -> int:
        """Samples that `compensated_losses` compensates with."""

    def compensated_losses(self, keep: Mapping[str, NDArray[np.bool_]]) -> Sequence[float]:
        """The same with consumers compensated layer by layer, one number a part of the samples.

        Args:
            keep: Group name -> ``(C,)`` bool, as `Planning.keep` gives it.
        """


@attrs.frozen(eq=False)
class Planning:
    """Facts about the groups.

    Attributes:
        groups: Prunable groups, in the order of the network.
        scores: Group name -> ``(C,)``, higher is kept.
        present: Group name -> ``(C,)`` bool, False for units earlier rounds removed.
        cost: The cost to come down to, ``cost.counted`` its unit: MACs, parameters, bytes or
            milliseconds as a function of kept units. ``cost.macs(counts)`` with counts ``(G,)`` in
            the order of ``cost.names``, ``cost.total`` of the whole network, ``cost.kept(plan)``
            the counts of a plan.
        sensitivity: Measured curves, or ``None``.
        comparable: Scores of different groups are in one unit (`Criterion.comparable`).
        trials: Measures whole plans, or ``None`` without enough samples.
        multiples: Group name -> number of which kept units are a multiple beside the budget's.
        macs: MACs of every plan, in the same terms as ``cost``; ``cost`` itself without it.
    """

    groups: tuple[Group, ...]
    scores: Mapping[str, NDArray[np.float64]]
    present: Mapping[str, NDArray[np.bool_]]
    cost: CostModel
    sensitivity: Sensitivity | None
    comparable: bool = False
    trials: PlanTrials | None = None
    multiples: Mapping[str, int] = attrs.field(factory=dict)
    macs: CostModel | None = None

    def levels(self, group: Group, multiple: int) -> NDArray[np.int64]:
        """Numbers of units the group may keep, descending, the present number first."""
        present, *lower = feasible_counts(group, self.present[group.name])
        multiple = 1 if group.unit == HEAD else multiple  # channels are rounded
        of = math.lcm(multiple, self.multiples.get(group.name, 1))
        return np.array([present, *(n for n in lower if n % of == 0)], np.int64)

    def keep(self, counts: Mapping[str, int]) -> dict[str, NDArray[np.bool_]]:
        """Choose units by score: group name -> ``(C,)`` bool."""
        return {
            group.name: choose_units(
                group, self.scores[group.name], counts[group.name], self.present[group.name]
            )
            for group in self.groups
            if counts[group.name] < group.size
        }
