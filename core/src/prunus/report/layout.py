"""Places of a network's parts, left to right.

A part stands one column behind the last part it reads. Parts that follow each other in a straight
line form a chain. A chain, and a link that passes columns, gets the free lane nearest to the
longest chain; shorter ones choose first, so that links nest.

The layout of a general graph (Sugiyama's) minimises crossings and bends the longest chain; of a
network that chain is what a reader follows.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs

Sources = Sequence[Sequence[int]]
"""For every part, the positions of the parts it reads, all before it."""


@attrs.frozen
class Layout:
    """Columns and lanes.

    Attributes:
        columns: Column of every part, from 0.
        lanes: Lane of every part: 0 for the longest chain, 1, 2, … below it.
        links: (source, target) -> the lane it passes in, where it passes columns; -1, -2, … lie
            above the longest chain.
    """

    columns: tuple[int, ...]
    lanes: tuple[int, ...]
    links: dict[tuple[int, int], int]

    @property
    def width(self) -> int:
        """Number of columns."""
        return max(self.columns, default=-1) + 1


def arranged(sources: Sources) -> Layout:
    """The places of parts that read each other."""
    columns: list[int] = []
    for read in sources:
        columns.append(1 + max((columns[one] for one in read), default=-1))
    chains = _chains(sources, columns)
    chain_of = {part: index for index, chain in enumerate(chains) for part in chain}
    readers = _readers(sources)
    long = {
        (source, target)
        for target, read in enumerate(sources)
        for source in read
        if columns[target] - columns[source] > 1
    }
    spans, own = [], dict[tuple[int, int], int]()
    for index, chain in enumerate(chains):
        first, last = columns[chain[0]], columns[chain[-1]]
        onward = readers[chain[-1]]
        if len(onward) == 1 and (chain[-1], onward[0]) in long:
            own[chain[-1], onward[0]] = index  # the end of a branch stays in its lane
            last = columns[onward[0]] - 1
        spans.append((first, last))
    numbers = _numbered(spans, below=True)
    free = sorted(long - own.keys(), key=lambda link: (columns[link[1]] - columns[link[0]], link))
    above = _numbered([(columns[a] + 1, columns[b] - 1) for a, b in free], below=False)
    links = {link: numbers[index] for link, index in own.items()}
    links |= dict(zip(free, above, strict=True))
    lanes = tuple(numbers[chain_of[part]] for part in range(len(columns)))
    return Layout(tuple(columns), lanes, links)


def _readers(sources: Sources) -> list[list[int]]:
    readers: list[list[int]] = [[] for _ in sources]
    for target, read in enumerate(sources):
        for source in read:
            readers[source].append(target)
    return readers


def _chains(sources: Sources, columns: Sequence[int]) -> list[list[int]]:
    """Parts in straight lines, the longest line first."""
    readers = _readers(sources)
    ahead = [0] * len(columns)
    for part in reversed(range(len(columns))):
        ahead[part] = 1 + max((ahead[one] for one in readers[part]), default=0)
    chains, taken = [], set[int]()
    for start in sorted(range(len(columns)), key=lambda part: (-ahead[part], part)):
        if start in taken:
            continue
        chain = [start]
        taken.add(start)
        while nearest := [
            one
            for one in readers[chain[-1]]
            if one not in taken and columns[one] == columns[chain[-1]] + 1
        ]:
            chain.append(max(nearest, key=lambda part: ahead[part]))
            taken.add(chain[-1])
        chains.append(chain)
    return chains


def _numbered(spans: Sequence[tuple[int, int]], *, below: bool) -> list[int]:
    """A lane for every span of columns, none twice in one column."""
    lanes: list[list[tuple[int, int]]] = []
    found = []
    for first, last in spans:
        fits = (
            number
            for number, lane in enumerate(lanes)
            if all(last < start or first > end for start, end in lane)
        )
        number = next(fits, len(lanes))
        if number == len(lanes):
            lanes.append([])
        lanes[number].append((first, last))
        found.append(number if below else -1 - number)
    return found
