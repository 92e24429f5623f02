"""Inputs of every lowering rule."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import attrs
import numpy as np
import onnx_ir as ir

from prunus_tensorflow.graphdef.steps import Step
from prunus_tensorflow.lower.builder import Builder
from prunus_tensorflow.lower.position import Holder, Position
from prunus_tensorflow.lower.tensors import Dynamic, Lowered, Static, Unlowerable, volume


@attrs.frozen(eq=False)
class Context:
    """The graph under construction and how often each native tensor is read.

    Attributes:
        builder: Takes the operations.
        uses: Native tensor -> number of consumers within the lowered part, graph outputs counted.
        batches: Batch sizes the graph was exported with, if it fixes them.
        blocked: Nodes whose array is used in a way that leaves no position to write a part back.
    """

    builder: Builder
    uses: Mapping[str, int]
    batches: frozenset[int] = frozenset()
    blocked: frozenset[str] = frozenset()

    def weight(
        self,
        step: Step,
        role: str,
        static: Static,
        perm: tuple[int, ...],
        depthwise: bool = False,
        squeeze: int = 0,
        layer: str | None = None,
    ) -> tuple[ir.Value, bool]:
        """Initializer of a weight, and whether it can be cut.

        A weight that the graph computes (a scaled or quantised one) has no position to write a
        smaller array to: the caller freezes the channels around it.
        """
        layer = layer or step.name
        if static.holder is not None and static.holder.node not in self.blocked:
            position = Position(
                static.holder, self._aligned(static, perm), perm, depthwise, squeeze
            )
            return self.builder.parameter(layer, role, static, position), True
        free = Position(_NOBODY, static.array.shape, perm, depthwise, squeeze)
        array = np.ascontiguousarray(free.to_neutral(static.array))
        return self.builder.floats(layer, role, array), volume(array.shape) == 1

    def freeze(self, reason: str, *values: ir.Value) -> None:
        """Keep the channels of values as they are."""
        for value in values:
            self.builder.freeze(value, reason)

    def _aligned(self, static: Static, perm: tuple[int, ...]) -> tuple[int, ...]:
        """Native shape to record: the holder's own, if padding with ones gives the same array."""
        rank = len(perm)
        held = (1,) * (rank - len(static.shape)) + static.shape
        used = (1,) * (rank - static.array.ndim) + static.array.shape
        return static.shape if held == used else static.array.shape


def dynamic(value: Lowered) -> Dynamic:
    """The value, which must be computed by the network."""
    if isinstance(value, Dynamic):
        return value
    raise Unlowerable("its data input does not depend on the network's input")


def static(value: Lowered, what: str) -> Static:
    """The value, which must be known."""
    if isinstance(value, Static):
        return value
    raise Unlowerable(f"its {what} is computed by the network")


def vector(value: Static) -> Static:
    """A per-channel parameter in its holder's own shape, or flat if it is computed."""
    if value.holder is None:
        return Static(value.array.reshape(-1))
    return Static(value.array.reshape(value.shape), value.holder, value.shape)


def integers(value: Lowered, what: str) -> list[int]:
    """A known vector of integers."""
    return [int(number) for number in np.atleast_1d(static(value, what).array).reshape(-1)]


Rule = Callable[[Context, Step, Sequence[Lowered]], list[Lowered]]


_NOBODY = Holder("", "computed", "")
