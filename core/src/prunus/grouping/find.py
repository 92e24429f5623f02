"""From channel ids to groups: rows are held as strictly as trial plans show that they must be."""

from __future__ import annotations

import numpy as np

from prunus.channel_ids.labelling import FROZEN, RowsKey, label_graph
from prunus.graph.shapes import infer_shapes
from prunus.grouping.collect import Grouping, collect
from prunus.grouping.heads import with_heads
from prunus.grouping.resting import restless
from prunus.grouping.trial import misaligned_at
from prunus.network import Network

__all__ = ["Grouping", "find_groups"]


def find_groups(network: Network, exclude: tuple[str, ...] = ()) -> Grouping:
    """Find every group of a network.

    Rows of grouped convolutions and shuffles are first held loosely (equal
    counts); where a trial plan shows that channels would no longer line up, or
    where rows span several groups, they are held by position, and at last frozen.
    Channels whose masked value has no finite answer at some operator stay.
    Heads of attention that can go whole are groups of their own, beside those of their channels.

    Args:
        network: The loaded network.
        exclude: Native layer names whose output channels stay whole.
    """
    layers = {node: layer for layer, nodes in network.layers.items() for node in nodes}
    shapes = infer_shapes(network.model)
    frozen = {**network.frozen_width, **network.frozen}
    levels: dict[RowsKey, int] = {}
    while True:
        labelling = label_graph(network.model, shapes, frozen, levels, layers, network.multiples)
        grouping, stricter = collect(network, labelling, layers, exclude, {})
        unsafe = restless(network, labelling, grouping.groups, grouping.units, layers)
        if unsafe:
            grouping, stricter = collect(network, labelling, layers, exclude, unsafe)
        stricter = stricter or _misaligned(network, grouping)
        if not stricter:
            return with_heads(network, grouping, exclude, levels)
        for rows in stricter:
            levels[rows] = min(levels.get(rows, 0) + 1, FROZEN)


def _misaligned(network: Network, grouping: Grouping) -> set[RowsKey]:
    """Rows to hold more strictly because trial plans put channels out of line.

    Raises:
        MisalignedError: there are none: a rule is wrong.
    """
    error = misaligned_at(network, grouping)
    if error is None:
        return set()
    labelling = grouping.labelling
    touched = np.unique(labelling.roots[error.labels])
    found = {r.key for r in labelling.rows if np.isin(labelling.roots[r.labels], touched).any()}
    if not found:
        raise error
    return found
