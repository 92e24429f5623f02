"""Numbers of channels that engines run fast: how kept channels are rounded unless the user says it.

Engines hold channels in blocks of a vector's width and pad what does not fill one; some leave their
fast kernels altogether. The rule below is fixed, so that a plan depends on no clock and no machine;
`docs/explanation/multiples.md` has the measurements behind it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from prunus.granularity import CHANNELS, HEAD, Granularity
from prunus.groups import Group
from prunus.planning.budget import Budget, Planning
from prunus.planning.limits import Limit
from prunus.planning.target import (
    TOLERANCE,
    all_levels,
    below,
    bisect,
    equal_shares,
    even,
    nearest,
)
from prunus.settings import AUTO

_WIDEST = 16
"""Floats of the widest vectors in use; more brings nothing."""

_WIDE = 64
"""Channels of a group that keeps whole vectors only."""

_PART = 8
"""A step of a narrower group takes at most one channel of so many: it has few to choose from."""

_APART = 1 / 12
"""Root mean square, over the groups, of their distance from equal shares."""


def fast_multiples(groups: Iterable[Group]) -> dict[str, int]:
    """Group name -> 16 of 64 channels or more, else the largest power of two up to an eighth."""
    return {
        group.name: _WIDEST if group.size >= _WIDE else _power_of_two(group.size // _PART)
        for group in groups
        if group.size >= _PART and group.unit != HEAD
    }


def rival_multiples(groups: Iterable[Group]) -> tuple[dict[str, int], ...]:
    """Coarser rules than `fast_multiples`, for a clock to choose from.

    Narrow groups keep whole vectors, too, and have few numbers left: the largest power of two up to
    half of their channels, at most 16; or 16, so that a group of 16 channels keeps all of them.
    """
    wide = [group for group in groups if group.size >= _PART]
    halves = {group.name: min(_WIDEST, _power_of_two(group.size // 2)) for group in wide}
    return halves, {group.name: _WIDEST for group in wide}


def number_of(granularity: Granularity, asked: int | str | None) -> int:
    """The multiple of every group: the one asked for, else 2; single weights are not rounded."""
    if isinstance(asked, int):
        return asked
    return 2 if granularity == CHANNELS else 1


def preferred(
    granularity: Granularity, asked: int | str | None, groups: Iterable[Group]
) -> dict[str, int]:
    """Multiples beside the budget's: `fast_multiples` of channels where no number is asked for."""
    free = asked in (None, AUTO) and granularity == CHANNELS
    return fast_multiples(groups) if free else {}


def loosened(
    multiples: Mapping[str, int], planning: Planning, limits: Sequence[Limit], budget: Budget
) -> dict[str, int]:
    """Multiples with which equal shares hit every limit within 1 %: halved as often as that takes.

    Args:
        multiples: Group name -> multiple, powers of two.
        planning: Facts about the groups.
        limits: Costs to come down to; without any no group has a multiple of its own.
        budget: The target, with the multiple that holds for all groups.
    """
    found = dict(multiples) if limits and planning.groups else {}
    while found and not all(_hits(limit, planning, found, budget) for limit in limits):
        halves = {name: of // 2 for name, of in found.items()}
        found = {name: of for name, of in halves.items() if of > budget.multiple}
    return found


def _hits(limit: Limit, planning: Planning, multiples: Mapping[str, int], budget: Budget) -> bool:
    """Whether the plan of equal shares comes to a limit with shares that are nearly equal.

    Steps that are too coarse for a rate come to it as well, but by a few groups that lose most of
    their channels. What a group loses more or less than its share counts beyond its next step.
    """
    cost = limit.cost
    trial = Planning(planning.groups, {}, planning.present, cost, None, multiples=multiples)
    levels = all_levels(trial, budget)
    counts = bisect(trial, levels, limit.share, even(trial, levels))
    shares = equal_shares(trial, cost.total * (1 - limit.share))
    steps = [
        (below(lv, share), nearest(lv, share)) for lv, share in zip(levels, shares, strict=True)
    ]
    low, high = np.array(steps).T
    apart = np.where((low <= counts) & (counts <= high), 0.0, (counts - shares) / cost.sizes)
    nearly = float(np.sqrt(np.mean(apart**2))) <= _APART
    return nearly and abs(limit.missed(cost.macs(counts))) <= TOLERANCE


def _power_of_two(number: int) -> int:
    return 1 << (number.bit_length() - 1)
