"""Why a layer is protected or tied, with the layers in between."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator

import attrs
import numpy as np
import onnx_ir as ir

from prunus.channel_ids.domain import ChannelIds
from prunus.errors import UsageError
from prunus.groups import Group
from prunus.near import meant
from prunus.network import Network
from prunus.prunable import Prunable

TIED = (
    "nothing but another structure: they are added, multiplied or read together, so the same "
    "channels go in all of them; excluding one keeps all"
)

MENDS = (
    ("graph output", "nothing: whoever uses the network counts these channels"),
    ("network input", "nothing: the samples have this many channels"),
    ("excluded", "leave its name, or that of a layer tied to it, out of exclude"),
    ("single channel", "nothing: a layer keeps at least one channel"),
    ("all its channels tied", "another structure: one layer ties all channels together"),
    ("orders channels by their number", "another structure: the layer picks channels by number"),
    ("taken by its number", "another structure: the layer picks channels by number"),
    ("takes every", "another structure: the layer picks channels by number"),
    ("takes no smaller number", "other groups of the grouped layer: their sizes leave no choice"),
    ("opaque", "a plugin that knows this type of layer: prunus does not look inside of it"),
    ("recurrent layer", "nothing yet: recurrent layers keep their sizes"),
    ("still counts in the product", "an activation of queries or keys that is zero at zero"),
    ("feeds", "nothing: the layer behind needs all of these channels"),
    (
        "mixes its channels",
        "nothing, where the layer gives the network's answer: its classes; elsewhere another "
        "structure: the layer compares all channels with each other",
    ),
)
"""Words of a reason -> what would free the channels; the first that fits."""


@attrs.frozen
class Chain:
    """How one layer reaches another one, or the place that protects it.

    Attributes:
        end: The other layer, or an output of the network.
        layers: The layers on the way, both ends included; empty for weights that are shared.
        arrows: Between two of them: ``→`` along the network, ``←`` against it.
    """

    end: str
    layers: tuple[str, ...]
    arrows: tuple[str, ...]

    def __str__(self) -> str:
        """In one line."""
        if not self.layers:
            return f"{self.end} (the same weights)"
        steps = zip(self.arrows, self.layers[1:], strict=True)
        return self.layers[0] + "".join(f" {arrow} {layer}" for arrow, layer in steps)


@attrs.frozen
class Explanation:
    """Some channels of a layer, and why they can go or not.

    Attributes:
        layer: Its name.
        channels: Number of channels this is about.
        state: ``free``, ``tied`` or ``protected``.
        reason: Why they stay; the group's name where they can go.
        chains: The ways to the layers they are tied to, or to what protects them.
        mend: What would free them; empty where they are free.
    """

    layer: str
    channels: int
    state: str
    reason: str
    chains: tuple[Chain, ...]
    mend: str


def explain(subject: Prunable, layer: str) -> tuple[Explanation, ...]:
    """Why the channels that a layer makes can go or not.

    Args:
        subject: The network and its groups.
        layer: Native name, or an alias of its format.

    Raises:
        UsageError: the network has no layer of this name, or the layer makes no channels.
    """
    network, grouping = subject.network, subject.grouping
    name = _native(network, layer)
    records = [
        record
        for record in grouping.labelling.records
        if record.role == "filter" and grouping.layers.get(record.node, record.node) == name
    ]
    if not records:
        raise UsageError(
            f"{layer}: makes no channels of its own, it passes on those of other layers; ask about "
            f"one that has weights, the nearest: {_nearest(subject, name) or 'a convolution'}"
        )
    ways = _Ways(subject, {record.node for record in records})
    made = np.unique(np.concatenate([record.labels.ravel() for record in records]))
    roots = grouping.labelling.roots
    found = [
        _grouped(ways, name, group, np.flatnonzero(grouping.holds(group.name)))
        for group in grouping.groups
        if name in group.layers
    ]
    for entry in grouping.protected:
        if entry.layer == name:
            found.append(_protected(ways, name, entry.channels, entry.reason, roots[made]))
    return tuple(found)


def _nearest(subject: Prunable, name: str) -> str:
    """The layers with channels of their own before and behind one, in the file's order."""
    grouping, order = subject.grouping, list(subject.network.layers)
    records = [one for one in grouping.labelling.records if one.role == "filter"]
    makers = {grouping.layers.get(one.node, one.node) for one in records}
    place = order.index(name)
    before = next((one for one in reversed(order[:place]) if one in makers), None)
    behind = next((one for one in order[place:] if one in makers), None)
    return " and ".join(one for one in (before, behind) if one is not None)


def _native(network: Network, layer: str) -> str:
    if layer in network.layers:
        return layer
    for native, aliases in network.aliases.items():
        if layer in aliases:
            return native
    near = meant(layer, network.layers)
    raise UsageError(f"{layer}: the network has no such layer{near}; 'prunus stat' lists them")


def _grouped(ways: _Ways, name: str, group: Group, units: ChannelIds) -> Explanation:
    others = [other for other in group.layers if other != name]
    chains = tuple(ways.to_layer(other, units) for other in others)
    state = "tied" if others else "free"
    return Explanation(name, group.size, state, group.name, chains, TIED if others else "")


def _protected(
    ways: _Ways, name: str, channels: int, reason: str, units: ChannelIds
) -> Explanation:
    mend = next((text for words, text in MENDS if words in reason), "")
    chain = ways.to_reason(reason, units)
    return Explanation(name, channels, "protected", reason, chain, mend)


@attrs.frozen
class _Place:
    """A node on the way; ``reader``: reached where it reads channels and makes others."""

    node: ir.Node
    reader: bool = False


class _Ways:
    """Shortest ways from a layer over the nodes that its channels pass."""

    def __init__(self, subject: Prunable, start: set[str]) -> None:
        self._network = subject.network
        self._labelling = subject.grouping.labelling
        self._layers = subject.grouping.layers
        self._start = [node for node in self._network.model.graph if node.name in start]

    def to_layer(self, layer: str, units: ChannelIds) -> Chain:
        """The way to another layer that makes channels of the same units."""
        for place, chain in self._search(units):
            if self._name(place.node) == layer and not place.reader:
                return attrs.evolve(chain, end=layer)
        return Chain(layer, (), ())

    def to_reason(self, reason: str, units: ChannelIds) -> tuple[Chain, ...]:
        """The way to the layer that a reason names, or to an output of the network."""
        named = re.search(r"'([^']+)'", reason)
        held = {value.name or "" for value in self._network.model.graph.outputs}
        held |= set(self._network.frozen)
        carried = self._carriers(units)
        for place, chain in self._search(units):
            if named is not None:
                if self._name(place.node) == named[1]:
                    return (attrs.evolve(chain, end=named[1]),)
            elif not place.reader and reason != "excluded":
                ends = [v.name for v in place.node.outputs if v.name in held & carried]
                if ends:
                    return (attrs.evolve(chain, end=str(ends[0])),)
        return ()

    def _search(self, units: ChannelIds) -> Iterator[tuple[_Place, Chain]]:
        """Places that channels pass, the nearest first, and the way to each.

        A node that makes channels of its own ends a way: it makes those that come out of it, or
        reads those that go in.
        """
        carried = self._carriers(units)
        makers = {node for node, _ in self._labelling.made}
        queue = deque((_Place(node), self._alone(node)) for node in self._start)
        seen = {place for place, _ in queue}
        while queue:
            place, chain = queue.popleft()
            yield place, chain
            node = place.node
            ends = node.name in makers and node not in self._start
            reached = [] if ends or place.reader else self._behind(node, carried, makers)
            if node.name not in makers:
                reached += [
                    (_Place(made), "←")
                    for value in node.inputs
                    if value is not None and value.name in carried
                    for made in (value.producer(),)
                    if made is not None
                ]
            for other, arrow in reached:
                if other not in seen:
                    seen.add(other)
                    queue.append((other, self._longer(chain, other.node, arrow)))

    def _behind(
        self, node: ir.Node, carried: set[str], makers: set[str]
    ) -> list[tuple[_Place, str]]:
        return [
            (_Place(use.node, use.node.name in makers), "→")
            for value in node.outputs
            if value.name in carried
            for use in value.uses()
        ]

    def _alone(self, node: ir.Node) -> Chain:
        return Chain("", (self._name(node),), ())

    def _longer(self, chain: Chain, node: ir.Node, arrow: str) -> Chain:
        """A way and one more node; nodes of one layer are one step."""
        name = self._name(node)
        if name == chain.layers[-1]:
            return chain
        return Chain("", (*chain.layers, name), (*chain.arrows, arrow))

    def _carriers(self, units: ChannelIds) -> set[str]:
        roots, wanted = self._labelling.roots, np.unique(self._labelling.roots[units])
        return {
            name
            for name, labels in self._labelling.values.items()
            if np.isin(roots[labels], wanted).any()
        }

    def _name(self, node: ir.Node) -> str:
        return self._layers.get(node.name or "", node.name or "")
