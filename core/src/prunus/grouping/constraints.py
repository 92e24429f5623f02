"""From rows and multiples of channel ids to the balance constraints of each group."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from prunus.channel_ids.domain import ChannelIds
from prunus.channel_ids.labelling import Labelling, RowsKey
from prunus.groups import Indices, Multiple


class Constraints:
    """Constraints of every group, found in one pass over rows and counts.

    Attributes:
        rows: Group number -> ``(R, C)`` channels of every unit in every row, for each
            constraint that some choice of units breaks.
        multiples: Group number -> its constraints of whole multiples.
        nodes: Group number -> node of each of its `rows`.
    """

    def __init__(self, labelling: Labelling, kinds: Sequence[ChannelIds]) -> None:
        """``kinds`` are the units of each group, ``(C,)`` representatives."""
        self._roots = labelling.roots
        self._kinds = kinds
        self._owner = owners_of(labelling, kinds)
        self._column = np.zeros(len(labelling.roots), np.int64)
        for units in kinds:
            self._column[units] = np.arange(len(units))
        self.rows: list[list[Indices]] = [[] for _ in kinds]
        self.multiples: list[list[Multiple]] = [[] for _ in kinds]
        self.nodes: list[list[str]] = [[] for _ in kinds]
        for rows in labelling.rows:
            if not rows.free(labelling.roots):
                for number, counts in self._counts(rows.labels):
                    if (counts != counts[:1]).any():
                        self.rows[number].append(counts)
                        self.nodes[number].append(rows.node)
        for count in labelling.counts:
            for number, counts in self._counts(count.labels[None]):
                self.multiples[number].append(Multiple(counts[0], count.of))

    def _counts(self, labels: ChannelIds) -> Iterator[tuple[int, Indices]]:
        """Group number and ``(R, C)`` channels of its units in rows ``(R, n)``."""
        roots = self._roots[labels]
        owners = self._owner[roots]
        for number in np.unique(owners[owners >= 0]).tolist():
            row, column = np.nonzero(owners == number)
            counts = np.zeros((len(labels), len(self._kinds[number])), np.int64)
            np.add.at(counts, (row, self._column[roots[row, column]]), 1)
            yield number, counts


def spanning(labelling: Labelling, kinds: Sequence[ChannelIds]) -> set[RowsKey]:
    """Rows that are not a matter of one group alone; of each node the fewest.

    Held by position they may tie what the others are about.
    """
    owner = owners_of(labelling, kinds)
    found: dict[str, int] = {}
    for rows in labelling.rows:
        owners = owner[labelling.roots[rows.labels]]
        present = np.unique(owners)
        if len(present) > 1 and present[-1] >= 0 and not rows.free(labelling.roots):
            shares = [(owners == number).sum(1) for number in present[present >= 0]]
            if any((share != share[0]).any() for share in shares):
                found[rows.node] = min(found.get(rows.node, len(rows.labels)), len(rows.labels))
    return set(found.items())


def owners_of(labelling: Labelling, kinds: Sequence[ChannelIds]) -> ChannelIds:
    """Number of the group of every representative ``(L,)``; -1 for labels of none."""
    owner = np.full(len(labelling.roots), -1)
    for number, units in enumerate(kinds):
        owner[units] = number
    return owner
