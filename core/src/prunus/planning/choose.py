"""Choose the channels that stay: scores and an allocation make a plan."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from prunus.descriptors import Policy
from prunus.errors import PluginError
from prunus.host import Host
from prunus.planning.budget import Budget, Planning
from prunus.planning.scores import scores_of
from prunus.prunable import Prunable
from prunus.selection import is_feasible
from prunus.sensitivity import Sensitivity

Keep = dict[str, NDArray[np.bool_]]
"""Group name -> ``(C,)`` bool, True for kept channels."""


def choose(
    host: Host,
    subject: Prunable,
    budget: Budget,
    *,
    criterion: str,
    allocation: str,
    samples: Mapping[str, NDArray[np.float32]] | None = None,
    sensitivity: Sensitivity | None = None,
    present: Mapping[str, NDArray[np.bool_]] | None = None,
) -> Keep:
    """Channels that stay for a budget.

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

    Returns:
        Group name -> ``(C,)`` bool; groups left out stay whole.

    Raises:
        PlanError: the target is out of reach.
        PluginError: the criterion or the allocation gave no usable answer.
    """
    present = present or {}
    scores = scores_of(host, criterion, subject, samples, budget.seed)
    groups = subject.grouping.groups
    whole = {group.name: present.get(group.name, np.ones(group.size, bool)) for group in groups}
    planning = Planning(groups, scores, whole, subject.cost, sensitivity)
    keep = dict(host.call(Policy, allocation, "prunus_mask", planning=planning, budget=budget))
    _check(allocation, subject, keep)
    for name, units in present.items():
        keep[name] = keep.get(name, units) & units
    _check_balance(allocation, subject, keep)
    return keep


def default_allocation(budget: Budget, sensitivity: Sensitivity | None) -> str:
    """``uniform`` for a rate without measured curves, else ``sensitivity``."""
    return "uniform" if sensitivity is None and budget.rate is not None else "sensitivity"


def _check(allocation: str, subject: Prunable, keep: Keep) -> None:
    """Allocations may be a third party's: each group they name keeps at least one channel."""
    sizes = {group.name: group.size for group in subject.grouping.groups}
    for name, units in keep.items():
        if np.shape(units) != (sizes.get(name),) or units.dtype != bool or not units.any():
            raise PluginError(
                f"allocation '{allocation}' gave no usable plan for group '{name}': one bool a "
                "channel, at least one of them kept"
            )


def _check_balance(allocation: str, subject: Prunable, keep: Keep) -> None:
    """The chosen units can be removed: they satisfy the balance constraints of their group."""
    for group in subject.grouping.groups:
        if group.name in keep and not is_feasible(group, keep[group.name]):
            raise PluginError(
                f"allocation '{allocation}' chose channels of group '{group.name}' that cannot go "
                "together: equal numbers must stay in all its rows (Planning.keep sees to that)"
            )
