"""Inputs of a lowering rule: one call of one Keras layer, and the graph under construction."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs
import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from prunus.plugin import Binding, ModelError
from prunus_tensorflow.lower.builder import Builder
from prunus_tensorflow.lower.position import Holder, Position
from prunus_tensorflow.lower.tensors import Dynamic, Static, Unlowerable, channels_first


@attrs.frozen(eq=False)
class Site:
    """One call of a layer.

    Attributes:
        builder: The graph under construction.
        layer: The Keras layer (or operation).
        name: Native name: the layer's, behind those of the models it lies in (``inner/conv1``).
        arguments: Positional arguments of the call, flat: ``Dynamic`` or plain values.
        keywords: Keyword arguments of the call.
        single: True if nothing else reads the layer's input.
    """

    builder: Builder
    layer: Any
    name: str
    arguments: Sequence[Any]
    keywords: Mapping[str, Any]
    single: bool

    def weight(
        self,
        variable: Any,
        role: str,
        perm: Sequence[int],
        *,
        label: str | None = None,
        depthwise: bool = False,
        squeeze: int = 0,
    ) -> ir.Value:
        """Initializer of a variable of this layer; a layer called twice shares it.

        Args:
            variable: The Keras variable.
            role: Role of the binding.
            perm: Native axes in neutral order; missing ones are unit axes in front.
            label: Last part of the initializer's name where it is not the role.
            depthwise: Join the channel and the multiplier axis.
            squeeze: Leading unit axes to drop.

        Raises:
            ModelError: the variable holds NaN or infinity.
        """
        array = np.asarray(variable.numpy(), np.float32)
        if not np.isfinite(array).all():
            raise ModelError(
                f"layer '{self.name}': variable '{variable.name}' holds values that are not finite"
            )
        holder = Holder(self.name, "variable", variable.name)
        position = Position(holder, array.shape, tuple(perm), depthwise, squeeze)
        value = self.builder.parameter(self.name, label or role, Static(array), position)
        self.builder.bindings[value.name or ""] = Binding(self.name, role, variable.name)
        return value

    def constant(self, role: str, array: NDArray[Any] | float) -> ir.Value:
        """An unbound float initializer."""
        return self.builder.floats(self.name, role, np.asarray(array, np.float32))

    def numbers(self, role: str, values: Sequence[int]) -> ir.Value:
        """An int64 shape operand."""
        return self.builder.integers(self.name, role, values)

    def emit(
        self,
        op: str,
        inputs: Sequence[ir.Value],
        shape: Sequence[int],
        perm: Sequence[int],
        /,
        **attributes: Any,
    ) -> Dynamic:
        """Add an operation; ``shape`` in native order, ``perm`` from neutral to native axes."""
        neutral = tuple(shape[axis] for axis in perm)
        (value,) = self.builder.add(op, inputs, self.name, [neutral], **attributes)
        return Dynamic(value, tuple(shape), tuple(perm))

    def same(self, op: str, x: Dynamic, *more: ir.Value, **attributes: Any) -> Dynamic:
        """An operation that keeps the shape of ``x``."""
        return self.emit(op, [x.value, *more], x.shape, x.perm, **attributes)

    def arranged(self, x: Dynamic, perm: Sequence[int]) -> Dynamic:
        """``x`` with its neutral axes in another order."""
        return self.builder.arrange(x, tuple(perm), self.name)

    def native(self, x: Dynamic) -> Dynamic:
        """``x`` with its axes in native order."""
        return self.builder.native(x, self.name)

    def freeze(self, reason: str, *values: Dynamic) -> None:
        """Keep all channels of values."""
        for value in values:
            self.builder.freeze(value.value, reason)


Rule = Callable[[Site, Dynamic], Dynamic]
"""A layer of one input."""

Join = Callable[[Site, Sequence[Dynamic]], Dynamic]
"""A layer of several inputs."""


def last(layer: Any) -> bool:
    """True if the layer keeps channels in the last axis."""
    return getattr(layer, "data_format", "channels_last") == "channels_last"


def perm_of(rank: int, channels_last: bool) -> tuple[int, ...]:
    """Permutation under which a value is N, C, spatial… ."""
    return channels_first(rank) if channels_last else tuple(range(rank))


def images(site: Site, x: Dynamic) -> Dynamic:
    """``x`` as N, C, spatial…, by the layer's data format."""
    rank = len(x.shape)
    if rank < 3:
        raise Unlowerable(f"its input has {rank} axes")
    return site.arranged(x, perm_of(rank, last(site.layer)))


def shape_of(
    batch: int, channels: int, sizes: Sequence[int], channels_last: bool
) -> tuple[int, ...]:
    """Native shape from its parts."""
    return (batch, *sizes, channels) if channels_last else (batch, channels, *sizes)


def spatial(x: Dynamic) -> tuple[int, ...]:
    """Spatial sizes of a value arranged as N, C, spatial… ."""
    return tuple(x.shape[axis] for axis in x.perm[2:])


def channels(x: Dynamic) -> int:
    """Channels of a value arranged as N, C, spatial… ."""
    return x.shape[x.perm[1]]
