"""Allocation ``slow-first``: a group loses the more, the longer its multiply-accumulates take.

Nobody measures here what a group is worth, so that multiply-accumulates stand for it: a limit of
time is to cost few of them. Groups differ much in what they save: vectors that are not full,
depthwise layers and joins take long for little, Winograd's convolutions take short. Shares stay
near to equal ones (at most 1.7 times as much, `prunus.planning.pace`), which is what a network of
unknown groups bears best.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from prunus.descriptors import Descriptor, Policy
from prunus.hookspecs import hookimpl
from prunus.planning.budget import Budget, Planning
from prunus.planning.pace import paced
from prunus.planning.target import asked, bisect, named


@hookimpl
def prunus_register() -> Iterable[Descriptor]:
    """One allocation."""
    text = "more of groups that are slow for their MACs; needs no data"
    return (Policy("slow-first", text, "mask"),)


@hookimpl
def prunus_mask(policy: str, planning: Planning, budget: Budget) -> dict[str, NDArray[np.bool_]]:
    """Bisect the common strength."""
    rate, levels = asked("slow-first", planning, budget)
    counts = bisect(planning, levels, rate, paced(planning, levels, budget))
    return planning.keep(named(planning, counts))
