"""Second pass: only kept channel ids flow, in the order the compact graph holds them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from prunus.channel_ids.domain import ChannelIds
from prunus.channel_ids.labelling import Labelling, constant_operand
from prunus.channel_ids.operands import adapted
from prunus.channel_ids.rules import rule_for
from prunus.channel_ids.rules.passing import block

Indices = NDArray[np.int64]


class MisalignedError(Exception):
    """A plan would put channels together that do not belong together."""

    def __init__(self, node: str, labels: ChannelIds) -> None:
        super().__init__(f"channels do not line up at '{node}'")
        self.node = node
        self.labels = labels


class Shrinker:
    """The `Domain` of the compact graph."""

    def __init__(
        self, labelling: Labelling, keep: NDArray[np.bool_], names: Mapping[str, str]
    ) -> None:
        """``keep`` is one bool a channel id, ``(L,)``, equal for united channel ids."""
        self._origin = labelling
        self._keep = keep
        self._names = names
        self._records = {(r.node, r.initializer, r.role, r.axis): r for r in labelling.records}
        self._values: dict[str, ChannelIds] = {}
        self.kept: dict[str, dict[int, Indices]] = {}
        self.operands: dict[tuple[str, int], NDArray[Any]] = {}

    def spread(self, value: ir.Value | None) -> ChannelIds | None:
        """Kept channel ids of a value."""
        return None if value is None or value.name is None else self._values.get(value.name)

    def original(self, value: ir.Value) -> tuple[int, ...]:
        """Shape before."""
        return self._origin.dims[value.name or ""]

    def known(self, value: ir.Value | None) -> bool:
        """Whether it had one before."""
        return value is None or not value.name or value.name in self._origin.dims

    def varying(self, value: ir.Value) -> tuple[bool, ...]:
        """Varying axes before."""
        return tuple(size > 1 for size in self._origin.values[value.name or ""].shape)

    def dims(self, value: ir.Value) -> tuple[int, ...]:
        """Shape after: of the channel ids that arrive now or later, counted row by row."""
        name = value.name or ""
        labels = self._origin.values.get(name)
        if labels is None:
            return self.original(value)
        if name in self._values:
            now = self._values[name].shape
            counted = iter([n for n, old in zip(now, labels.shape, strict=True) if old > 1])
        else:
            counted = iter(list(self._counts(labels[self._squeeze(labels)], name)))
        return tuple(
            next(counted) if size > 1 else full
            for size, full in zip(labels.shape, self.original(value), strict=True)
        )

    def set(self, value: ir.Value, labels: ChannelIds) -> None:
        """Compress as in the original and check that just the kept channel ids arrived."""
        name = value.name or ""
        before = self._origin.values[name]
        for axis, size in enumerate(before.shape):
            if size == 1 and labels.shape[axis] > 1:
                first = np.take(labels, [0], axis)
                if not np.array_equal(np.broadcast_to(first, labels.shape), labels):
                    raise MisalignedError(name, before)
                labels = first
        roots = self._origin.roots
        expected = np.sort(roots[before[self._keep[before]]], axis=None)
        if not np.array_equal(np.sort(roots[labels], axis=None), expected):
            raise MisalignedError(name, before)
        self._values[name] = labels

    def mark(self, value: ir.Value, reason: str) -> None:
        """The frozen channel id of the original."""
        name = value.name or ""
        if name in self._origin.values:
            self._values[name] = self._origin.values[name]

    def fresh(self, node: ir.Node, count: int, slot: int = 0) -> ChannelIds:
        """The kept ones of the original's channel ids."""
        made = self._origin.made[node.name or "", slot]
        return made[self._keep[made]]

    def unite(self, node: ir.Node, first: ChannelIds, second: ChannelIds) -> None:
        """They must be of one unit already."""
        roots = self._origin.roots
        try:
            one, other = np.broadcast_arrays(roots[first], roots[second])
            equal = np.array_equal(one, other)
        except ValueError:
            equal = False
        if not equal:
            raise MisalignedError(node.name or "", np.concatenate([first.ravel(), second.ravel()]))

    def freeze(self, labels: ChannelIds, reason: str) -> None:
        """Decided in the first pass."""

    def balance_rows(self, node: ir.Node, rows: ChannelIds, *, fixed: bool) -> None:
        """Decided in the first pass."""

    def heads(self, node: ir.Node, heads: ChannelIds, rows: ChannelIds) -> None:
        """Decided in the first pass."""

    def contract(self, node: ir.Node, labels: ChannelIds) -> None:
        """Decided in the first pass."""

    def inexact(self, labels: ChannelIds) -> None:
        """Decided in the first pass."""

    def weight(
        self, node: ir.Node, value: ir.Value, role: str, axis: int, labels: ChannelIds
    ) -> None:
        """Original positions of the channel ids, in their order now."""
        record = self._records[node.name or "", value.name or "", role, axis]
        found = _positions(record.labels, labels)
        if found is None:  # an operand that heads share is told by the first head that is left
            found = _positions(self._origin.roots[record.labels], self._origin.roots[labels])
        if found is None:
            raise MisalignedError(node.name or "", record.labels.ravel())
        axes = self.kept.setdefault(value.name or "", {})
        if axis in axes and not np.array_equal(axes[axis], found):
            raise MisalignedError(node.name or "", record.labels.ravel())
        axes[axis] = found

    def operand(self, node: ir.Node, index: int) -> NDArray[Any] | None:
        """Constant operand as the compact graph needs it."""
        stored = constant_operand(node, index)
        if stored is None:
            return None
        changed = adapted(node, index, stored, self)
        if changed is not stored and not np.array_equal(changed, stored):
            self.operands[node.name or "", index] = changed
        return changed

    def name(self, node: ir.Node) -> str:
        """Native layer name."""
        return self._names.get(node.name or "", node.name or node.op_type)

    def kept_along(self, value: ir.Value | None, axis: int) -> NDArray[np.bool_] | None:
        """Original positions kept on one axis ``(C,)``; ``None`` without variation there."""
        labels = self._origin.values.get(value.name or "") if value is not None else None
        if labels is None or labels.shape[axis] == 1:
            return None
        matrix = np.moveaxis(labels, axis, 0).reshape(labels.shape[axis], -1)
        return np.asarray(self._keep[matrix].any(1))

    def kept_before(self, value: ir.Value | None, axis: int, ends: Indices) -> Indices | None:
        """How many positions before each of ``ends`` are kept; ``None`` without variation there.

        Positions may differ from head to head, their number may not.
        """
        labels = self._origin.values.get(value.name or "") if value is not None else None
        if value is None or labels is None or labels.shape[axis] == 1:
            return None
        kept = np.moveaxis(self._keep[labels], axis, 0).reshape(labels.shape[axis], -1)
        counts = np.cumsum(kept[:, kept.any(0)], 0)
        if not counts.shape[1]:
            return np.zeros(len(ends), np.int64)
        found = np.concatenate([np.zeros_like(counts[:1]), counts])[ends]
        if (found != found[:, :1]).any():
            raise MisalignedError(value.name or "", labels)
        return np.asarray(found[:, 0], np.int64)

    def slot_kept(self, node: ir.Node, slot: int) -> int:
        """How many channel ids of a slot remain."""
        made = self._origin.made.get((node.name or "", slot))
        return 0 if made is None else int(self._keep[made].sum())

    def kept_values(self) -> dict[str, dict[int, Indices]]:
        """Value name -> axis -> kept original positions, where channels went."""
        result: dict[str, dict[int, Indices]] = {}
        for name, labels in self._values.items():
            before = self._origin.values[name]
            axes = [axis for axis, size in enumerate(before.shape) if size > 1]
            if len(axes) == 1 and labels.size < before.size:
                found = match(before.ravel(), labels.ravel())
                if found is not None:
                    result[name] = {axes[0]: found}
        return result

    def _squeeze(self, labels: ChannelIds) -> tuple[Any, ...]:
        return tuple(slice(None) if size > 1 else 0 for size in labels.shape)

    def _counts(self, labels: ChannelIds, name: str) -> tuple[int, ...]:
        if labels.ndim < 2:
            return (int(self._keep[labels].sum()),) if labels.ndim else ()
        parts = [part for part in labels if self._keep[part].any()]
        inner = {self._counts(part, name) for part in parts}
        if len(inner) != 1:
            raise MisalignedError(name, labels)
        return (len(parts), *inner.pop())


def shrink(
    model: ir.Model, labelling: Labelling, keep: NDArray[np.bool_], layers: Mapping[str, str]
) -> Shrinker:
    """Run the rules over kept channel ids only; the model is read, not changed.

    Raises:
        MisalignedError: the plan breaks an order the graph depends on.
    """
    shrinker = Shrinker(labelling, keep, layers)
    for value in model.graph.inputs:
        shrinker.mark(value, "")
    for node in model.graph:
        values = [v for v in (*node.inputs, *node.outputs) if v is not None and v.name]
        if all(value.name in labelling.dims for value in values):
            rule_for(node)(node, shrinker)
            for index in range(len(node.inputs)):
                shrinker.operand(node, index)
        else:
            block(node, shrinker, "")
    return shrinker


def match(original: ChannelIds, compact: ChannelIds) -> Indices | None:
    """Positions in ``original`` (C,) of the channel ids ``compact`` (n,); repeats in order."""
    first, second = _ranked(original), _ranked(compact)
    order = np.argsort(first)
    positions = np.searchsorted(first, second, sorter=order)
    found = order[np.minimum(positions, len(first) - 1)]
    return found.astype(np.int64) if np.array_equal(first[found], second) else None


def _ranked(labels: ChannelIds) -> ChannelIds:
    """One number for each channel id and its occurrences so far: equal for equal pairs."""
    order = np.argsort(labels, kind="stable")
    ordered = labels[order]
    positions = np.arange(len(labels))
    starts = np.where(np.diff(ordered, prepend=-1) != 0, positions, 0)
    occurrence = np.empty(len(labels), np.int64)
    occurrence[order] = positions - np.maximum.accumulate(starts)
    return np.asarray((labels << 24) + occurrence)


def _positions(original: ChannelIds, labels: ChannelIds) -> Indices | None:
    if original.ndim == 1:
        return match(original, labels)
    if labels.shape[0] != original.shape[0]:
        return None
    rows = [match(before, now) for before, now in zip(original, labels, strict=True)]
    return None if any(row is None for row in rows) else np.array(rows, np.int64)
