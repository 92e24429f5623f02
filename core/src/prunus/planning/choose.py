"""Choose the channels that stay: scores and an allocation make a plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs
import numpy as np
from numpy.typing import NDArray

from prunus.descriptors import Policy
from prunus.errors import PluginError
from prunus.granularity import CHANNEL, Granularity
from prunus.host import Host
from prunus.one_blas_thread import one_blas_thread
from prunus.planning.budget import Budget, Planning, PlanTrials
from prunus.planning.limits import Limit, ShareLimit, check_limit, met_by_turns
from prunus.planning.multiple import loosened
from prunus.planning.scores import criterion_of, scores_of
from prunus.prunable import Prunable
from prunus.recovery.held_out import are_enough
from prunus.selection import is_feasible
from prunus.sensitivity import Sensitivity
from prunus.third_party import shown

Keep = dict[str, NDArray[np.bool_]]
"""Group name -> ``(C,)`` bool, True for kept channels."""


@one_blas_thread()
def chooser_of(
    host: Host,
    subject: Prunable,
    budget: Budget,
    *,
    criterion: str,
    allocation: str,
    samples: Mapping[str, NDArray[np.float32]] | None = None,
    sensitivity: Sensitivity | None = None,
    present: Mapping[str, NDArray[np.bool_]] | None = None,
    multiples: Mapping[str, int] | None = None,
) -> Chooser:
    """Score the channels of a network, to make plans of them.

    Args:
        host: Plugins.
        subject: The network and its groups.
        budget: The target.
        criterion: Name of the criterion that scores channels.
        allocation: Name of the allocation that divides the target among the groups.
        samples: Graph input name -> ``(N, ...)`` inputs for the criterion, or ``None``.
        sensitivity: Measured curves, or ``None``.
        present: Channels that earlier rounds left: group name -> ``(C,)`` bool; groups left out
            are whole.
        multiples: Group name -> number of which kept units should be a multiple, where the
            budget can be met with it (`loosened`).

    Raises:
        PluginError: the criterion gave no usable answer.
    """
    groups = subject.grouping.groups
    present = present or {}
    facts = Planning(
        groups,
        scores_of(host, criterion, subject, samples, budget.seed),
        {group.name: present.get(group.name, np.ones(group.size, bool)) for group in groups},
        subject.cost,
        sensitivity,
        criterion_of(host, criterion, subject.granularity).comparable,
        trials_of(subject, samples, budget.seed),
        multiples or {},
        subject.cost,
    )
    return Chooser(host, subject, facts, budget, allocation, present)


@attrs.frozen(eq=False)
class Chooser:
    """Scored channels of a network, of which an allocation makes plans.

    Attributes:
        host: Plugins.
        subject: The network and its groups.
        facts: Facts about the groups.
        budget: The target.
        allocation: Name of the allocation.
        present: Units that are there: group name -> ``(C,)`` bool; groups left out are whole.
    """

    host: Host
    subject: Prunable
    facts: Planning
    budget: Budget
    allocation: str
    present: Mapping[str, NDArray[np.bool_]]

    @property
    def owner(self) -> str:
        """Who makes the plans: ``allocation 'mine' of acme 1.0``."""
        return str(self.host.find(Policy, self.allocation, "prunus_mask"))

    @one_blas_thread()
    def plan(self, limits: Sequence[Limit]) -> Keep:
        """A plan that meets every limit; the budget's threshold or densities without any.

        Raises:
            PlanError: a limit is out of reach.
            PluginError: the allocation gave no usable answer.
        """
        multiples = loosened(self.facts.multiples, self.facts, limits, self.budget)
        facts = attrs.evolve(self.facts, multiples=multiples)

        def further(limit: Limit, keep: Mapping[str, NDArray[np.bool_]]) -> Keep:
            planning = attrs.evolve(facts, cost=limit.cost, present={**facts.present, **keep})
            check_limit(limit, planning, self.budget)
            return self._asked(planning, self.budget.only(limit.share), keep)

        if limits:
            return dict(met_by_turns(limits, self.present, further))
        return self._asked(facts, self.budget, self.present)

    def at_rate(self, rate: float) -> Keep:
        """The plan that removes a share of the MACs, or of the weights."""
        cost = self.subject.cost
        return self.plan((ShareLimit("rate", cost, rate, cost.counted),))

    def _asked(
        self, planning: Planning, budget: Budget, present: Mapping[str, NDArray[np.bool_]]
    ) -> Keep:
        """The plan of the allocation, if it can be used."""
        owner = self.owner
        found = self.host.call(
            Policy, self.allocation, "prunus_mask", planning=planning, budget=budget
        )
        keep = dict(found)
        _check(owner, self.subject, keep)
        for name, units in present.items():
            # of a pattern's block N stay, even where fewer are not zero
            if self.subject.granularity.pattern is None or name not in keep:
                keep[name] = keep.get(name, units) & units
        _check_balance(owner, self.subject, keep)
        return keep


def default_allocation(
    budget: Budget,
    sensitivity: Sensitivity | None,
    granularity: Granularity,
    samples: Mapping[str, NDArray[np.float32]] | None,
) -> str:
    """``given`` for densities; for a cost ``search`` with samples, ``sensitivity`` with curves.

    Without samples and curves, and of single weights, a cost is ``uniform``; time ``slow-first``.
    """
    if budget.density is not None:
        return "given"
    if budget.threshold is not None:
        return "sensitivity"
    if granularity.unit == CHANNEL and samples is not None and are_enough(samples):
        return "search"
    if sensitivity is not None:
        return "sensitivity"
    return "uniform" if budget.latency is None else "slow-first"


def trials_of(
    subject: Prunable, samples: Mapping[str, NDArray[np.float32]] | None, seed: int
) -> PlanTrials | None:
    """Measures whole plans where there are samples enough to hold some out."""
    if subject.granularity.unit != CHANNEL or samples is None or not are_enough(samples):
        return None
    from prunus.recovery.trial import Trials

    return Trials(subject.network, subject.grouping, samples, seed)


def _check(owner: str, subject: Prunable, keep: Mapping[str, object]) -> None:
    """Allocations may be a third party's: each group they name keeps at least one channel."""
    sizes = {group.name: group.size for group in subject.grouping.groups}
    for name, units in keep.items():
        said = f"{owner} gave no usable plan for group '{name}'"
        if name not in sizes:
            raise PluginError(f"{said}: the network has no such group")
        if (
            not isinstance(units, np.ndarray)
            or units.dtype != bool
            or units.shape != (sizes[name],)
        ):
            raise PluginError(
                f"{said}: {shown(units)} instead of one bool for each of its {sizes[name]} "
                f"{subject.granularity.units}"
            )
        if not units.any():
            raise PluginError(f"{said}: it keeps none of its channels; one must stay")


def _check_balance(owner: str, subject: Prunable, keep: Keep) -> None:
    """The chosen units can be removed: they satisfy the balance constraints of their group."""
    for group in subject.grouping.groups:
        if group.name in keep and not is_feasible(group, keep[group.name]):
            raise PluginError(
                f"{owner} chose channels of group '{group.name}' that cannot go "
                "together: equal numbers must stay in all its rows (Planning.keep sees to that)"
            )
