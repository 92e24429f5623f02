"""Heads of attention as groups: a second labelling, in which the rows of products go whole.

A channel of a head goes where its place in the head is removed, and where the whole head is. The
groups of places come from the network's labelling, those of heads from another one with the same
channel ids, where the reshapes that split channels into heads make one channel id a head.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import attrs
import numpy as np
import onnx_ir as ir

from prunus.channel_ids.domain import ChannelIds
from prunus.channel_ids.labelling import Heads, Labelling, RowsKey, label_graph
from prunus.granularity import HEAD
from prunus.grouping.collect import Grouping, frozen_units, groups_of, kinds_of
from prunus.grouping.constraints import owners_of
from prunus.grouping.resting import restless
from prunus.grouping.trial import misaligned_at
from prunus.groups import Group, Protected
from prunus.network import Network


def with_heads(
    network: Network,
    grouping: Grouping,
    exclude: tuple[str, ...],
    levels: Mapping[RowsKey, int],
) -> Grouping:
    """The grouping, and a group for the heads of each attention that can lose some.

    Args:
        network: The network.
        grouping: Its groups of channels.
        exclude: Native layer names whose output channels stay whole.
        levels: Rows of a node -> how strictly they are held.
    """
    labelling, layers = grouping.labelling, grouping.layers
    merged = dict(_merged(network.model, labelling))
    if not merged:
        return grouping
    whole = label_graph(
        network.model, labelling.dims, network.frozen, levels, layers, network.multiples, merged
    )
    frozen = frozen_units(network, whole, layers, exclude, {})
    heads = np.unique(whole.roots[np.concatenate([found.labels for found in labelling.heads])])
    kinds = [units[np.isin(units, heads)] for units in kinds_of(whole, frozen)]
    kinds = [units for units in kinds if len(units) > 1]
    kinds = _counted(grouping, whole, kinds)
    groups, units = groups_of(whole, layers, kinds, frozen, HEAD)
    unsafe = restless(network, whole, groups, units, layers)
    safe = [group for group in groups if not np.isin(units[group.name], list(unsafe)).any()]
    found = attrs.evolve(
        grouping,
        groups=(*grouping.groups, *safe),
        protected=tuple(_still_held(network, grouping, safe)),
        heads={group.name: units[group.name] for group in safe},
        head_of=whole.roots,
    )
    return grouping if misaligned_at(network, found) is not None else found


def _merged(model: ir.Model, labelling: Labelling) -> Iterator[tuple[str, int]]:
    """Values of reshapes that split channels into heads, and the axis of a head's channels."""
    for node in model.graph if labelling.heads else ():
        name = node.outputs[0].name or ""
        labels = labelling.values.get(name)
        if node.op_type != "Reshape" or labels is None:
            continue
        varying = [axis for axis, size in enumerate(labels.shape) if size > 1]
        if len(varying) > 1:
            row_of = np.full(len(labelling.roots), -1)
            rows = np.moveaxis(labels, varying[-1], -1).reshape(-1, labels.shape[varying[-1]])
            row_of[rows] = np.arange(len(rows))[:, None]
            if any(_splits(row_of, found) for found in labelling.heads):
                yield name, varying[-1]


def _splits(row_of: ChannelIds, heads: Heads) -> bool:
    """Whether each row that a product reads lies in one row of a reshape, no two in the same."""
    place = row_of[heads.rows]
    own = place[:, 0] >= 0
    alone = bool(own.all()) and bool((place == place[:, :1]).all())
    return alone and len(np.unique(place[:, 0])) == len(np.unique(heads.rows[:, 0]))


def _counted(grouping: Grouping, whole: Labelling, kinds: list[ChannelIds]) -> list[ChannelIds]:
    """Kinds of heads whose layers have no other groups on their other side.

    The cost of a layer is a product of two sides (`CostModel`): heads and their width take both.
    """
    head = owners_of(whole, kinds)[whole.roots]
    fine = owners_of(grouping.labelling, list(grouping.units.values()))[grouping.labelling.roots]
    sides: dict[str, dict[str, ChannelIds]] = {}
    for record in whole.records:
        if record.role in ("filter", "input"):
            sides.setdefault(record.node, {})[record.role] = record.labels.ravel()
    mixed: set[int] = set()
    for found in sides.values():
        for role, labels in found.items():
            owners = np.unique(head[labels])
            other = found.get("input" if role == "filter" else "filter", labels[:0])
            taken = (head[other] >= 0).any() or (fine[other] >= 0).any()
            if len(owners) > 1 or taken:
                mixed |= set(owners.tolist())
    return [units for number, units in enumerate(kinds) if number not in mixed]


def _still_held(
    network: Network, grouping: Grouping, heads: Iterable[Group]
) -> Iterator[Protected]:
    """Reasons that are left: what loses heads is not protected for the sake of its width."""
    layers = {layer for group in heads for layer in group.layers}
    width = set(network.frozen_width.values())
    for entry in grouping.protected:
        narrow = "takes no smaller number" in entry.reason or entry.reason in width
        if entry.layer not in layers or not narrow:
            yield entry
