"""Products of two computed values: attention (Vaswani et al., NeurIPS 2017) and its like.

Every product of one matrix with another is a head; the axes before the last two count heads. Of
`(H, T, D) · (H, D, T)` the heads' width D is summed over: query and key lose the same channels. Of
`(H, T, T) · (H, T, D)` it passes. In both a head can go with all that the other products of this
head read, and as long as it is there all heads have the same width.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import numpy as np
import onnx_ir as ir

from prunus.channel_ids.domain import ChannelIds, Domain
from prunus.channel_ids.rules.passing import block


@attrs.frozen(eq=False)
class Side:
    """One operand of a product.

    Attributes:
        labels: Its channel ids, heads first, then the two axes of the matrix.
        sums: The axis that is summed over: -1 of the left operand, -2 of the right one.
        summed, passes, headed: Whether channel ids vary on that axis, the other, or over heads.
        many: Whether it has several heads.
    """

    labels: ChannelIds
    sums: int
    summed: bool
    passes: bool
    headed: bool
    many: bool

    @classmethod
    def of(cls, domain: Domain, value: ir.Value, order: Sequence[int], sums: int) -> Side:
        """The side of a value; ``order`` names its axis for each of the product's, -1 for none."""
        labels = domain.spread(value)
        assert labels is not None
        varying = [axis >= 0 and domain.varying(value)[axis] for axis in order]
        sizes = [1 if axis < 0 else domain.original(value)[axis] for axis in order]
        moved = labels.transpose([axis for axis in order if axis >= 0])
        moved = np.expand_dims(moved, tuple(at for at, axis in enumerate(order) if axis < 0))
        return cls(
            moved,
            sums,
            varying[sums],
            varying[-3 - sums],
            any(varying[:-2]),
            any(size > 1 for size in sizes[:-2]),
        )

    @property
    def wide(self) -> bool:
        """Whether channel ids vary within a head."""
        return self.summed or self.passes

    def rows(self, heads: tuple[int, ...]) -> ChannelIds:
        """``(…, C)`` channel ids within every head."""
        flat = np.take(self.labels, 0, -3 - self.sums if self.summed else self.sums)
        return np.broadcast_to(flat, (*heads, flat.shape[-1]))

    def first(self) -> ChannelIds:
        """``(…)`` one channel id of every head."""
        return self.labels[..., 0, 0]


def product(node: ir.Node, domain: Domain) -> None:
    """MatMul: A (…, M, K) · B (…, K, N), both computed."""
    sides = []
    rank = len(domain.original(node.outputs[0]))
    for value, sums in zip(node.inputs, (-1, -2), strict=True):
        axes = 0 if value is None or domain.spread(value) is None else len(domain.original(value))
        if value is None or axes < 2:
            block(node, domain, f"feeds product '{domain.name(node)}' of two computed values")
            return
        order = [*(-1 for _ in range(rank - axes)), *range(axes)]
        sides.append(Side.of(domain, value, order, sums))
    found = multiplied(node, domain, *sides)
    if found is not None:
        domain.set(node.outputs[0], found)


def multiplied(node: ir.Node, domain: Domain, left: Side, right: Side) -> ChannelIds | None:
    """Channel ids ``(…, M, N)`` of a product; ``None`` where nothing can go, which is said."""
    name = domain.name(node)
    heads = np.broadcast_shapes(left.labels.shape[:-2], right.labels.shape[:-2])
    made = domain.fresh(node, int(np.prod(heads))).reshape(heads)
    passing = [side for side in (left, right) if side.passes]
    if len(passing) > 1 or any(side.summed for side in passing):
        block(node, domain, f"feeds product '{name}' along two axes of channels")
        return None
    if passing and made.size > 1 and not passing[0].headed:
        block(node, domain, f"feeds product '{name}' with the same channels in several heads")
        return None
    if left.summed or right.summed:
        domain.unite(node, left.rows(heads), right.rows(heads))
        domain.contract(node, np.concatenate([left.labels.ravel(), right.labels.ravel()]))
    for side in (left, right):
        _tie_heads(node, domain, made, side, alone=not (left.wide or right.wide))
    return passing[0].labels if passing else made[..., None, None]


def _tie_heads(node: ir.Node, domain: Domain, made: ChannelIds, side: Side, *, alone: bool) -> None:
    """The heads of an operand go with those of the product."""
    if side.headed and side.wide:
        rows = side.rows(made.shape).reshape(made.size, -1)
        domain.heads(node, made.ravel(), rows)
        domain.balance_rows(node, rows, fixed=True)
    elif side.headed and alone:
        domain.unite(node, made, side.first())
    elif side.headed:
        domain.freeze(side.labels, f"counts the heads of '{domain.name(node)}'")
    elif side.many:
        domain.freeze(made, f"'{domain.name(node)}' gives several heads the same channels")
