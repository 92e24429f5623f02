"""First pass: channel ids over the original graph."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

import attrs
import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from prunus.channel_ids.domain import ChannelIds
from prunus.channel_ids.rules import rule_for
from prunus.channel_ids.rules.passing import block
from prunus.graph.batches import MOST, samples_within
from prunus.graph.shapes import Shapes

LOOSE, TIED, FROZEN = 0, 1, 2
"""How strictly a node's rows are held: equal counts, equal positions, nothing removed."""

RowsKey: TypeAlias = tuple[str, int]
"""Name of a node and number of rows: a node that makes three axes of one has several."""


@attrs.frozen(eq=False)
class Record:
    """One axis of one initializer that goes with channel ids.

    Attributes:
        node: Name of the node using it.
        initializer: Its name.
        role: ``filter``, ``input`` or the role of a per-channel vector.
        axis: The axis (1 for the matrix of a grouped convolution).
        labels: ``(C,)``, or ``(group, n)`` for grouped input axes.
    """

    node: str
    initializer: str
    role: str
    axis: int
    labels: ChannelIds


@attrs.frozen(eq=False)
class Rows:
    """Equal numbers must remain in every row of ``labels`` (R, C).

    Attributes:
        node: Name of the node.
        labels: The rows.
        fixed: Whether all R rows stay; else a row of one unit may go whole.
    """

    node: str
    labels: ChannelIds
    fixed: bool

    @property
    def key(self) -> RowsKey:
        """What tells the rows of a node apart."""
        return self.node, len(self.labels)

    def free(self, roots: ChannelIds) -> bool:
        """Whether any units may go: each row is one of its own, and none has to stay."""
        owners = roots[self.labels]
        return not self.fixed and bool((owners == owners[:, :1]).all())


@attrs.frozen(eq=False)
class Heads:
    """Rows ``(R, C)`` that a product of many at once reads: each can go, whole.

    Attributes:
        labels: ``(R,)`` channel ids of the products.
        rows: The rows of one operand.
    """

    labels: ChannelIds
    rows: ChannelIds


@attrs.frozen(eq=False)
class Contraction:
    """A sum over channel ids of two computed values.

    Attributes:
        node: Name of the node.
        labels: The channel ids of its operands.
    """

    node: str
    labels: ChannelIds


@attrs.frozen(eq=False)
class Count:
    """Of ``labels`` (C,), the channels of a value, only multiples of ``of`` can go."""

    value: str
    labels: ChannelIds
    of: int


@attrs.frozen(eq=False)
class Labelling:
    """Result of the pass.

    Attributes:
        values: Value name -> channel id tensor.
        dims: Value name -> full shape, batch 1.
        roots: ``(L,)`` representative of every channel id's unit.
        made: (node, slot) -> fresh channel ids.
        records: Initializer axes and their channel ids.
        rows: Equal-count constraints.
        counts: Constraints of whole multiples.
        heads: Rows that can go whole.
        contractions: Sums over channels of two computed values.
        frozen: Representative -> reason.
        inexact: Representatives whose removal changes neighbours.
        ties: Representative -> layer that ties several channels of one producer together.
    """

    values: Mapping[str, ChannelIds]
    dims: Shapes
    roots: ChannelIds
    made: Mapping[tuple[str, int], ChannelIds]
    records: tuple[Record, ...]
    rows: tuple[Rows, ...]
    counts: tuple[Count, ...]
    heads: tuple[Heads, ...]
    contractions: tuple[Contraction, ...]
    frozen: Mapping[int, str]
    inexact: frozenset[int]
    ties: Mapping[int, str]

    def samples_at_once(self, values: Iterable[str], most: int = MOST) -> int:
        """How many samples to run for these values (`samples_within`)."""
        return min(samples_within(self.dims, self.values, values), most)


class Labeller:
    """The `Domain` of the original graph."""

    def __init__(
        self,
        shapes: Shapes,
        levels: Mapping[RowsKey, int],
        layers: Mapping[str, str],
        merged: Mapping[str, int],
    ) -> None:
        self._shapes = shapes
        self._levels = levels
        self._layers = layers
        self._merged = merged
        self._count = 0
        self._values: dict[str, ChannelIds] = {}
        self._made: dict[tuple[str, int], ChannelIds] = {}
        self._edges: list[NDArray[np.int64]] = []
        self._tying: list[str] = []
        self._frozen: list[tuple[ChannelIds, str]] = []
        self._inexact: list[ChannelIds] = []
        self._records: dict[tuple[str, int], list[Record]] = {}
        self._rows: list[Rows] = []
        self._heads: list[Heads] = []
        self._contractions: list[Contraction] = []

    def spread(self, value: ir.Value | None) -> ChannelIds | None:
        """Channel id tensor; ``None`` for initializers and absent operands."""
        return None if value is None or value.name is None else self._values.get(value.name)

    def dims(self, value: ir.Value) -> tuple[int, ...]:
        """Static shape."""
        return self._shapes[value.name or ""]

    def original(self, value: ir.Value) -> tuple[int, ...]:
        """The same here."""
        return self.dims(value)

    def varying(self, value: ir.Value) -> tuple[bool, ...]:
        """Axes the stored channel id tensor runs over."""
        return tuple(size > 1 for size in self._values[value.name or ""].shape)

    def known(self, value: ir.Value | None) -> bool:
        """Whether a value has a static shape."""
        return value is None or not value.name or value.name in self._shapes

    def set(self, value: ir.Value, labels: ChannelIds) -> None:
        """Store, size 1 on axes without variation."""
        labels = self._whole_rows(value, labels)
        for axis, size in enumerate(labels.shape):
            if size > 1:
                first = np.take(labels, [0], axis)
                if np.array_equal(np.broadcast_to(first, labels.shape), labels):
                    labels = first
        self._values[value.name or ""] = labels.copy()

    def mark(self, value: ir.Value, reason: str) -> None:
        """One frozen channel id."""
        if value.name:
            label = self._new(1)
            self.freeze(label, reason)
            self._values[value.name] = label.reshape((1,) * len(self._shapes.get(value.name, ())))

    def fresh(self, node: ir.Node, count: int, slot: int = 0) -> ChannelIds:
        """New channel ids."""
        return self._made.setdefault((node.name or "", slot), self._new(count))

    def unite(self, node: ir.Node, first: ChannelIds, second: ChannelIds) -> None:
        """Record edges; components are found once at the end."""
        pairs = np.stack([side.ravel() for side in np.broadcast_arrays(first, second)])
        self._edges.append(np.unique(pairs, axis=1) if pairs.shape[1] > 4096 else pairs)
        self._tying.append(self.name(node))

    def freeze(self, labels: ChannelIds, reason: str) -> None:
        """Record the reason; the first one of a unit is reported."""
        self._frozen.append((labels.ravel(), reason))

    def balance_rows(self, node: ir.Node, rows: ChannelIds, *, fixed: bool) -> None:
        """Record, or hold more strictly where an earlier attempt failed."""
        level = self._levels.get((node.name or "", len(rows)), LOOSE)
        if level == LOOSE:
            self._rows.append(Rows(node.name or "", rows, fixed))
        elif level == TIED:
            self.unite(node, rows[:1], rows)
        else:
            self.freeze(rows, f"'{self.name(node)}' orders channels by their number")

    def heads(self, node: ir.Node, heads: ChannelIds, rows: ChannelIds) -> None:
        """Record."""
        self._heads.append(Heads(heads, rows))

    def contract(self, node: ir.Node, labels: ChannelIds) -> None:
        """Record."""
        self._contractions.append(Contraction(node.name or "", labels.ravel()))

    def inexact(self, labels: ChannelIds) -> None:
        """Record."""
        self._inexact.append(labels.ravel())

    def weight(
        self, node: ir.Node, value: ir.Value, role: str, axis: int, labels: ChannelIds
    ) -> None:
        """Record the axis; a second user of the same initializer ties its channel ids."""
        users = self._records.setdefault((value.name or "", axis), [])
        if users:
            self.unite(node, users[0].labels, labels)
        users.append(Record(node.name or "", value.name or "", role, axis, labels))

    def operand(self, node: ir.Node, index: int) -> NDArray[Any] | None:
        """Constant operand as stored."""
        return constant_operand(node, index)

    def name(self, node: ir.Node) -> str:
        """Native layer name."""
        return self._layers.get(node.name or "", node.name or node.op_type)

    def result(self, multiples: Mapping[str, int]) -> Labelling:
        """Find units, and collect what was said about them and in `Network.multiples`."""
        edges = np.concatenate([np.empty((2, 0), np.int64), *self._edges], axis=1)
        links = coo_array(
            (np.ones(edges.shape[1], np.int8), (edges[0], edges[1])), (self._count,) * 2
        )
        _, component = connected_components(links, directed=False)
        first = np.full(self._count, self._count)
        np.minimum.at(first, component, np.arange(self._count))
        roots = first[component].astype(np.int64)
        frozen: dict[int, str] = {}
        for labels, reason in self._frozen:
            for root in np.unique(roots[labels]).tolist():
                frozen.setdefault(root, reason)
        inexact = frozenset(int(r) for labels in self._inexact for r in np.unique(roots[labels]))
        records = tuple(record for users in self._records.values() for record in users)
        rows = tuple(self._rows)
        counts = tuple(
            Count(value, _channels(self._values[value]), of)
            for value, of in multiples.items()
            if value in self._values
        )
        ties = self._ties(roots)
        return Labelling(
            self._values,
            self._shapes,
            roots,
            self._made,
            records,
            rows,
            counts,
            tuple(self._heads),
            tuple(self._contractions),
            frozen,
            inexact,
            ties,
        )

    def _ties(self, roots: ChannelIds) -> dict[int, str]:
        """Representative -> first layer that tied two channel ids made together."""
        maker = np.arange(self._count) + len(self._made)
        for number, labels in enumerate(self._made.values()):
            maker[labels] = number
        ties: dict[int, str] = {}
        for layer, (first, second) in zip(self._tying, self._edges, strict=True):
            own = (maker[first] == maker[second]) & (first != second)
            for root in np.unique(roots[first[own]]).tolist():
                ties.setdefault(root, layer)
        return ties

    def _whole_rows(self, value: ir.Value, labels: ChannelIds) -> ChannelIds:
        """Channel ids that are one along the axis on which a value's rows go whole."""
        axis, node = self._merged.get(value.name or ""), value.producer()
        if axis is None or node is None:
            return labels
        first = np.take(labels, [0], axis)
        self.unite(node, first, labels)
        return first

    def _new(self, count: int) -> ChannelIds:
        self._count += count
        return np.arange(self._count - count, self._count, dtype=np.int64)


def _channels(labels: ChannelIds) -> ChannelIds:
    """``(C,)`` channel ids of the channel axis, at the first position of every other."""
    return labels[tuple(slice(None) if axis == 1 else 0 for axis in range(labels.ndim))]


def constant_operand(node: ir.Node, index: int) -> NDArray[Any] | None:
    """The array of an initializer operand, ``None`` otherwise."""
    if index >= len(node.inputs):
        return None
    value = node.inputs[index]
    if value is None or value.const_value is None:
        return None
    return value.const_value.numpy()


def label_graph(
    model: ir.Model,
    shapes: Shapes,
    frozen: Mapping[str, str],
    levels: Mapping[RowsKey, int],
    layers: Mapping[str, str],
    multiples: Mapping[str, int] | None = None,
    merged: Mapping[str, int] | None = None,
) -> Labelling:
    """Run every rule once, in order.

    Args:
        model: Graph with nodes in topological order.
        shapes: From `infer_shapes`.
        frozen: Value name -> reason (outputs not named are "graph output").
        levels: Rows of a node -> how strictly to hold them.
        layers: Node name -> native layer name.
        multiples: As in `Network`.
        merged: Value name -> axis along which its channels only go together.
    """
    labeller = Labeller(shapes, levels, layers, merged or {})
    for value in model.graph.inputs:
        if value.name not in model.graph.initializers:
            labeller.mark(value, "network input")
    for node in model.graph:
        if all(labeller.known(value) for value in (*node.inputs, *node.outputs)):
            rule_for(node)(node, labeller)
        else:
            block(node, labeller, f"feeds '{labeller.name(node)}', whose size depends on the data")
    reasons = {value.name or "": "graph output" for value in model.graph.outputs} | dict(frozen)
    for name, reason in reasons.items():
        if name in labeller._values:
            labeller.freeze(labeller._values[name], reason)
    return labeller.result(multiples or {})
