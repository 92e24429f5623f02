"""A network with random channels removed, in every form a test compares."""

from __future__ import annotations

from collections.abc import Iterable

import attrs
import numpy as np
from numpy.typing import NDArray

from prunus.compaction import compact
from prunus.grouping import Grouping, find_groups
from prunus.groups import Group
from prunus.masking import mask
from prunus.network import Compact, Network
from prunus.selection import choose_units


@attrs.frozen(eq=False)
class Cut:
    """A network with channels removed.

    Attributes:
        network: The original.
        masked: Same structure, removed channels zero.
        compact: The smaller graph.
        grouping: Groups of the original.
    """

    network: Network
    masked: Network
    compact: Compact
    grouping: Grouping


def random_plan(
    groups: Iterable[Group], ratio: float = 0.5, seed: int = 0
) -> dict[str, NDArray[np.bool_]]:
    """Random units to keep, as legal as each group's rows allow: group name -> ``(C,)``.

    Args:
        groups: Groups to prune.
        ratio: Share of the units of every group to remove, in [0, 1).
        seed: Of the draw.
    """
    draw = np.random.default_rng(seed)
    return {
        group.name: choose_units(group, draw.random(group.size), round(group.size * (1 - ratio)))
        for group in groups
    }


def cut(network: Network, ratio: float = 0.5, seed: int = 0) -> Cut:
    """Remove a random ``ratio``, in [0, 1), of the units of every group."""
    grouping = find_groups(network)
    keep = random_plan(grouping.groups, ratio, seed)
    masked = mask(network, grouping, keep)
    return Cut(network, masked, compact(masked, grouping, keep), grouping)
