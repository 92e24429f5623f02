"""Questions and statements of a rule.

The same rules run twice: over the original graph (`labelling`: channel ids are made,
united and frozen) and over the compact one (`compaction.shrinking`: only kept
channel ids flow, in the order the compact graph holds them).
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

ChannelIds = NDArray[np.int64]
"""Channel id tensor of a value: the value's rank, size 1 on axes the channel ids do not vary on."""


class Domain(Protocol):
    """One pass over a graph."""

    def spread(self, value: ir.Value | None) -> ChannelIds | None:
        """Channel id tensor of a value; ``None`` for constants and absent operands."""

    def dims(self, value: ir.Value) -> tuple[int, ...]:
        """Full shape of a value in this pass, batch size 1."""

    def original(self, value: ir.Value) -> tuple[int, ...]:
        """Full shape of a value in the original graph: tells what kind of node uses it."""

    def known(self, value: ir.Value | None) -> bool:
        """Whether a value has a static shape in the original graph."""

    def varying(self, value: ir.Value) -> tuple[bool, ...]:
        """Axes on which the channel ids of a value differ in the original graph."""

    def set(self, value: ir.Value, labels: ChannelIds) -> None:
        """Give a value its channel id tensor; full tensors are compressed here."""

    def mark(self, value: ir.Value, reason: str) -> None:
        """Give a value one frozen channel id for all of it: no channel of it can go."""

    def fresh(self, node: ir.Node, count: int, slot: int = 0) -> ChannelIds:
        """New channel ids ``(count,)`` for the channels a node makes; one slot an axis."""

    def unite(self, node: ir.Node, first: ChannelIds, second: ChannelIds) -> None:
        """Channel ids of equal position (after broadcasting) can only go together."""

    def freeze(self, labels: ChannelIds, reason: str) -> None:
        """These channel ids must stay."""

    def balance_rows(self, node: ir.Node, rows: ChannelIds, *, fixed: bool) -> None:
        """Equal numbers must remain in every row of ``rows`` (R, C).

        ``fixed``: the node has R rows whatever is removed; else a row of one unit may go whole.
        """

    def heads(self, node: ir.Node, heads: ChannelIds, rows: ChannelIds) -> None:
        """Row r of ``rows`` (R, C) is all that one product of many at once reads of an operand.

        The rows of a product's operands and ``heads`` (R,), its own channel ids, can go together,
        each row whole; else all rows stay, and lose equally.
        """

    def contract(self, node: ir.Node, labels: ChannelIds) -> None:
        """A node sums over these channel ids of two computed values, without a weight."""

    def inexact(self, labels: ChannelIds) -> None:
        """Removing these channel ids changes what their neighbours compute."""

    def weight(
        self, node: ir.Node, value: ir.Value, role: str, axis: int, labels: ChannelIds
    ) -> None:
        """An axis of an initializer goes with channel ids ``(C,)``.

        The input axis of a grouped convolution takes ``(group, n)``.
        """

    def operand(self, node: ir.Node, index: int) -> NDArray[Any] | None:
        """Constant operand of a node, as this pass needs it; ``None`` if not constant."""

    def name(self, node: ir.Node) -> str:
        """Native layer name of a node, for reasons."""
