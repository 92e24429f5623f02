"""Allocation ``uniform``: the same ratio in every group, as nearly as whole multiples allow."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from prunus.descriptors import Descriptor, Policy
from prunus.hookspecs import hookimpl
from prunus.planning.budget import Budget, Planning
from prunus.planning.target import asked, bisect, even, named


@hookimpl
def prunus_register() -> Iterable[Descriptor]:
    """One allocation."""
    return (Policy("uniform", "nearly the same ratio in every group; needs no data", "mask"),)


@hookimpl
def prunus_mask(policy: str, planning: Planning, budget: Budget) -> dict[str, NDArray[np.bool_]]:
    """Bisect the common ratio."""
    rate, levels = asked("uniform", planning, budget)
    counts = bisect(planning, levels, rate, even(planning, levels))
    return planning.keep(named(planning, counts))
