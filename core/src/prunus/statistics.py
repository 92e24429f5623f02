"""Counts of a network, its groups, and the channels that must stay."""

from __future__ import annotations

import attrs

from prunus.counted import counted
from prunus.graph.macs import convolution_operations, layer_macs
from prunus.graph.parameters import learned_by, parameters
from prunus.groups import Protected
from prunus.prunable import Prunable

_SHOWN = 20
"""Layers, and groups, that are printed; `to_json` has all of them."""


@attrs.frozen
class LayerRow:
    """One counted layer."""

    layer: str
    operator: str
    output: tuple[int, ...]
    params: int
    macs: int


@attrs.frozen
class GroupLine:
    """One prunable group."""

    group: str
    layers: tuple[str, ...]
    channels: int
    exact: bool


@attrs.frozen(eq=False)
class Statistics:
    """Report of ``stat``.

    Attributes:
        layers: Layers with learned parameters.
        groups: Prunable groups.
        protected: Channels that stay, with reasons.
        macs, params: Totals.
        notes: Sentences for the user.
        operations: Operations of convolutions alone, as legacy tools count them, where asked for.
    """

    layers: tuple[LayerRow, ...]
    groups: tuple[GroupLine, ...]
    protected: tuple[Protected, ...]
    macs: int
    params: int
    notes: tuple[str, ...]
    operations: int | None = None

    def __repr__(self) -> str:
        return f"Statistics({self._summary()})"

    def __str__(self) -> str:
        layers = [_line(row) for row in self.layers]
        groups = [f"group {row.group}: {row.channels} channels" for row in self.groups]
        protected = [
            f"protected {row.layer}: {row.channels} channels, {row.reason}"
            for row in self.protected
        ]
        lines = [
            *_first(layers, "more layer"),
            *_first(groups, "more group"),
            *_first(protected, "more protected layer"),
        ]
        return "\n  ".join([self._summary(), *lines])

    def _summary(self) -> str:
        return (
            f"{self.params:,} params, {self.macs:,} MACs, {counted(len(self.groups), 'group')}, "
            f"{counted(len(self.protected), 'protected layer')}"
        )

    def to_json(self) -> dict[str, object]:
        """Plain JSON values."""
        return attrs.asdict(self)


def _line(row: LayerRow) -> str:
    size = "×".join(map(str, row.output))
    cost = f", {row.macs:,} MACs" if row.macs else ""
    return f"{row.layer} ({row.operator}): {size}, {row.params:,} params{cost}"


def _first(lines: list[str], more: str) -> list[str]:
    left = len(lines) - _SHOWN
    return lines if left <= 0 else [*lines[:_SHOWN], f"and {counted(left, more)}"]


def statistics_of(subject: Prunable, *, legacy_count: bool = False) -> Statistics:
    """Count a network, list its groups and the protected channels.

    Args:
        subject: The network and its groups.
        legacy_count: Count the operations of convolutions alone, too.
    """
    network, grouping = subject.network, subject.grouping
    dims = grouping.labelling.dims
    macs = layer_macs(network.model, dims)
    rows = []
    for node in network.model.graph:
        params, work = learned_by(node, network.bindings), macs.get(node.name or "", 0)
        if params or work:  # products of two computed values learn nothing and cost much
            shape = dims.get(node.outputs[0].name or "", ())[1:]
            layer = grouping.layers.get(node.name or "", node.name or "")
            rows.append(LayerRow(layer, node.op_type, shape, params, work))
    return Statistics(
        tuple(rows),
        tuple(GroupLine(g.name, g.layers, g.size, g.exact) for g in grouping.groups),
        grouping.protected,
        sum(macs.values()),
        parameters(network, network.model),
        network.notes,
        convolution_operations(network.model, dims) if legacy_count else None,
    )
