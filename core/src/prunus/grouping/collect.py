"""One group for all units of the same kind, and a reason for everything else."""

from __future__ import annotations

from collections.abc import Mapping

import attrs
import numpy as np
from numpy.typing import NDArray

from prunus.channel_ids.domain import ChannelIds
from prunus.channel_ids.labelling import Labelling, Record, RowsKey
from prunus.granularity import CHANNEL
from prunus.grouping.constraints import Constraints, owners_of, spanning
from prunus.groups import Group, Member, Protected
from prunus.network import Network
from prunus.selection import feasible_counts


@attrs.frozen(eq=False)
class Grouping:
    """Everything the channel ids say about a network.

    Attributes:
        groups: Prunable groups, in the order their first producer appears.
        protected: What cannot be pruned, with reasons.
        labelling: The channel ids behind it.
        units: Group name -> ``(C,)`` representative channel id of each unit; single weights
            have none, and no channel goes with them.
        layers: Node name -> native layer name.
        heads: The same of groups of heads, which come last: representatives in `head_of`.
        head_of: ``(L,)`` representative of every channel id among the heads; a head holds
            channels of other groups, and they go with either.
    """

    groups: tuple[Group, ...]
    protected: tuple[Protected, ...]
    labelling: Labelling
    units: Mapping[str, ChannelIds]
    layers: Mapping[str, str]
    heads: Mapping[str, ChannelIds] = attrs.field(factory=dict)
    head_of: ChannelIds = attrs.field(factory=lambda: np.empty(0, np.int64))

    def group(self, name: str) -> Group:
        """The group of a name.

        Raises:
            KeyError: no such group.
        """
        return next(group for group in self.groups if group.name == name)

    def kept_channel_ids(self, keep: Mapping[str, NDArray[np.bool_]]) -> NDArray[np.bool_]:
        """One bool a channel id ``(L,)`` from ``(C,)`` bools of groups."""
        kept = np.ones(len(self.labelling.roots), bool)
        for name in keep.keys() & self.units.keys():
            kept[self.units[name][~keep[name]]] = False
        kept = kept[self.labelling.roots]
        there = np.ones(len(self.labelling.roots), bool)
        for name in keep.keys() & self.heads.keys():
            there[self.heads[name][~keep[name]]] = False
        return np.asarray(kept & there[self.head_of] if self.heads else kept)

    def holds(self, name: str) -> NDArray[np.bool_]:
        """``(L,)`` whether each channel id belongs to a group."""
        if name in self.heads:
            return np.isin(self.head_of, self.heads[name])
        return np.isin(self.labelling.roots, self.units[name])


def collect(
    network: Network,
    labelling: Labelling,
    layers: Mapping[str, str],
    exclude: tuple[str, ...],
    unsafe: Mapping[int, str],
) -> tuple[Grouping, set[RowsKey]]:
    """The grouping, and rows that are not a matter of one group alone.

    Args:
        network: The network.
        labelling: Its channel ids.
        layers: Node name -> native layer name.
        exclude: Native layer names whose output channels stay whole.
        unsafe: Representative channel id of a unit -> why it cannot be removed.
    """
    frozen = frozen_units(network, labelling, layers, exclude, unsafe)
    kinds = kinds_of(labelling, frozen)
    groups, units = groups_of(labelling, layers, kinds, frozen, CHANNEL)
    protected = _protected(labelling, layers, frozen)
    return Grouping(groups, protected, labelling, units, layers), spanning(labelling, kinds)


def groups_of(
    labelling: Labelling,
    layers: Mapping[str, str],
    kinds: list[ChannelIds],
    frozen: dict[int, str],
    unit: str,
) -> tuple[tuple[Group, ...], dict[str, ChannelIds]]:
    """One group for the units ``(C,)`` of each kind that can lose some, and its units by name.

    Units of the others are added to ``frozen``, with the reason.
    """
    members, producers = _members(labelling, layers, kinds)
    groups: list[Group] = []
    units: dict[str, ChannelIds] = {}
    constraints = Constraints(labelling, kinds)
    for number, chosen in enumerate(kinds):
        made = tuple(producers[number])
        name = _unique("+".join(made) + ("" if unit == CHANNEL else f" {unit}s"), units)
        rows, multiples = constraints.rows[number], constraints.multiples[number]
        exact = not (labelling.inexact & set(chosen.tolist()))
        group = Group(
            name, made, tuple(members[number]), tuple(rows), exact, tuple(multiples), unit
        )
        if len(feasible_counts(group)) > 1:
            groups.append(group)
            units[name] = chosen
        else:
            reason = _held(constraints, number, layers)
            frozen.update(dict.fromkeys(chosen.tolist(), reason))
    return tuple(groups), units


def frozen_units(
    network: Network,
    labelling: Labelling,
    layers: Mapping[str, str],
    exclude: tuple[str, ...],
    unsafe: Mapping[int, str],
) -> dict[int, str]:
    """Representative channel id of every unit that stays -> why."""
    frozen = {**unsafe, **labelling.frozen}
    _freeze_excluded(network, labelling, layers, exclude, frozen)
    return frozen


def _unique(base: str, taken: Mapping[str, ChannelIds]) -> str:
    name, number = base, 2
    while name in taken:
        name, number = f"{base}#{number}", number + 1
    return name


def _freeze_excluded(
    network: Network,
    labelling: Labelling,
    layers: Mapping[str, str],
    exclude: tuple[str, ...],
    frozen: dict[int, str],
) -> None:
    """A layer is named by itself, by an alias of its format, or by what it makes."""
    made = {node.name: {value.name for value in node.outputs} for node in network.model.graph}
    wanted = set(exclude)
    for record in labelling.records:
        layer = layers.get(record.node, record.node)
        names = {layer, *network.aliases.get(layer, ()), *made.get(record.node, ())}
        if record.role == "filter" and names & wanted:
            for root in np.unique(labelling.roots[record.labels]).tolist():
                frozen[root] = "excluded"


def kinds_of(labelling: Labelling, frozen: dict[int, str]) -> list[ChannelIds]:
    """Units that weights make and nothing freezes, by what they touch; ``(C,)`` each."""
    made = [labelling.roots[r.labels].ravel() for r in labelling.records if r.role == "filter"]
    signature = _signatures(labelling)
    kinds: dict[int, list[int]] = {}
    for root in np.unique(np.concatenate([np.empty(0, np.int64), *made])).tolist():
        if root not in frozen:
            kinds.setdefault(int(signature[root]), []).append(root)
    for units in kinds.values():
        if len(units) == 1:
            layer = labelling.ties.get(units[0])
            frozen[units[0]] = f"all its channels tied at '{layer}'" if layer else "single channel"
    return [np.array(units, np.int64) for units in kinds.values() if len(units) > 1]


def _signatures(labelling: Labelling) -> NDArray[np.uint64]:
    """One hash a channel id: which initializer axes a unit touches, and how often."""
    draw = np.random.default_rng(0)
    signature = np.zeros(len(labelling.roots), np.uint64)
    for record in labelling.records:
        weight = draw.integers(1, 2**63, dtype=np.uint64)
        owners, counts = np.unique(labelling.roots[record.labels.ravel()], return_counts=True)
        signature[owners] += counts.astype(np.uint64) * weight
    return signature


def _members(
    labelling: Labelling, layers: Mapping[str, str], kinds: list[ChannelIds]
) -> tuple[list[list[Member]], list[list[str]]]:
    """Members and producing layers of every group, in one pass over the records."""
    owner = owners_of(labelling, kinds)
    members: list[list[Member]] = [[] for _ in kinds]
    producers: list[list[str]] = [[] for _ in kinds]
    seen: set[tuple[str, int]] = set()
    for record in labelling.records:
        roots = labelling.roots[record.labels.ravel()]
        layer = layers.get(record.node, record.node)
        first = (record.initializer, record.axis) not in seen
        seen.add((record.initializer, record.axis))
        for number in np.unique(owner[roots]).tolist():
            if number < 0:
                continue
            if record.role == "filter" and layer not in producers[number]:
                producers[number].append(layer)
            if first:
                channels = np.flatnonzero(owner[roots] == number)
                positions = _by_unit(roots, channels, kinds[number])
                members[number].append(_member(labelling, record, positions))
    return members, producers


def _by_unit(roots: ChannelIds, channels: ChannelIds, chosen: ChannelIds) -> ChannelIds:
    """``(C, k)`` positions, row c those of unit ``chosen[c]``."""
    order = np.argsort(np.searchsorted(chosen, roots[channels]), kind="stable")
    return np.asarray(channels[order].reshape(len(chosen), -1), np.int64)


def _member(labelling: Labelling, record: Record, positions: ChannelIds) -> Member:
    if record.labels.ndim == 1:
        return Member(record.initializer, record.role, (record.axis,), positions)
    groups, width = record.labels.shape
    outputs = labelling.dims[record.initializer][0]
    rows = np.arange(outputs).reshape(groups, -1)
    group, column = np.divmod(positions, width)
    flat = rows[group] * width + column[..., None]
    return Member(record.initializer, record.role, (0, 1), flat.reshape(len(positions), -1))


def _held(constraints: Constraints, number: int, layers: Mapping[str, str]) -> str:
    """Why a group can lose nothing."""
    nodes, multiples = constraints.nodes[number], constraints.multiples[number]
    if nodes:
        return f"'{layers.get(nodes[0], nodes[0])}' takes no smaller number of channels"
    return f"only multiples of {multiples[0].of} of its channels could go"


def _protected(
    labelling: Labelling, layers: Mapping[str, str], frozen: Mapping[int, str]
) -> tuple[Protected, ...]:
    found: list[Protected] = []
    seen: set[tuple[str, int]] = set()
    for record in labelling.records:
        if record.role != "filter" or (record.initializer, record.axis) in seen:
            continue
        seen.add((record.initializer, record.axis))
        reasons: dict[str, int] = {}
        for root in labelling.roots[record.labels.ravel()].tolist():
            if root in frozen:
                reasons[frozen[root]] = reasons.get(frozen[root], 0) + 1
        layer = layers.get(record.node, record.node)
        found += [Protected(layer, count, reason) for reason, count in reasons.items()]
    return tuple(found)
