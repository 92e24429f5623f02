"""Allocation ``given``: the share of each group that the user states."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from prunus.descriptors import Descriptor, Policy
from prunus.errors import PlanError
from prunus.hookspecs import hookimpl
from prunus.planning.budget import Budget, Planning
from prunus.planning.target import named, nearest


@hookimpl
def prunus_register() -> Iterable[Descriptor]:
    """One allocation."""
    return (Policy("given", "the share of each group that --density states", "mask"),)


@hookimpl
def prunus_mask(policy: str, planning: Planning, budget: Budget) -> dict[str, NDArray[np.bool_]]:
    """The feasible number of units next above each share; groups without one stay whole."""
    if budget.density is None:
        raise PlanError("allocation 'given' needs --density LAYER=SHARE")
    known = {name for group in planning.groups for name in (group.name, *group.layers)}
    for name in budget.density:
        if name not in known:
            raise PlanError(
                f"--density {name}: no such group; there are: "
                f"{', '.join(group.name for group in planning.groups) or 'none'}"
            )
    counts = []
    for group in planning.groups:
        names = [name for name in (group.name, *group.layers) if name in budget.density]
        share = budget.density[names[0]] if names else 1.0
        level = planning.levels(group, budget.multiple)
        counts.append(nearest(level, share * group.size))
    return planning.keep(named(planning, np.array(counts, np.int64)))
