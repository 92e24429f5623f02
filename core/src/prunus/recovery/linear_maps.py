"""Convolutions and matrix products as linear maps: of their data, and of their weights."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Protocol

import attrs
import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from prunus.evaluation.session import Session
from prunus.recovery.positions import Window, window_of, windows

Array = NDArray[np.float32]

_CHUNK = 2**26
"""Bytes of the rows that are held at once."""

_SESSIONS = 64
"""Kinds of convolutions that stay loaded: they hold no weights."""


class LinearMap(Protocol):
    """``y = W x``, channels of both on axis 1; weights are ``(M, C, ...)``."""

    def outputs(self, data: Array, weight: Array) -> Array:
        """``W x`` of data ``(N, C, ...)``: ``(N, M, ...)``."""

    def adjoint(self, values: Array, weight: Array, shape: Sequence[int]) -> Array:
        """``Wᵀ y`` of values ``(N, M, ...)``, in the shape of the data."""

    def gradient(self, values: Array, data: Array, shape: Sequence[int]) -> Array:
        """Sum over positions of ``y xᵀ``, in the shape of the weight."""

    def products(self, data: Array) -> NDArray[np.float64]:
        """Mean over positions of ``x xᵀ`` of all features of an output, and a one: (K + 1)²."""


@attrs.frozen(eq=False)
class Matrix:
    """A fully connected layer: one row a sample."""

    def outputs(self, data: Array, weight: Array) -> Array:
        """As `LinearMap` says."""
        return data @ weight.T

    def adjoint(self, values: Array, weight: Array, shape: Sequence[int]) -> Array:
        """As `LinearMap` says."""
        return values @ weight

    def gradient(self, values: Array, data: Array, shape: Sequence[int]) -> Array:
        """As `LinearMap` says."""
        return values.T @ data

    def products(self, data: Array) -> NDArray[np.float64]:
        """As `LinearMap` says."""
        rows = np.concatenate([data, np.ones((len(data), 1), np.float32)], 1)
        return np.asarray(rows.T @ rows, np.float64) / len(rows)


@attrs.frozen
class Convolution:
    """A convolution in two dimensions.

    Attributes:
        window: The positions that make one output.
        groups: 1, or the number of channels: every channel by itself.
    """

    window: Window
    groups: int = 1

    def outputs(self, data: Array, weight: Array) -> Array:
        """As `LinearMap` says."""
        session = _session("Conv", self.window, self.groups)
        return session.run({"x": data, "w": weight})["y"]

    def adjoint(self, values: Array, weight: Array, shape: Sequence[int]) -> Array:
        """As `LinearMap` says."""
        more = [
            size - reached
            for size, reached in zip(shape[2:], self._reached(values.shape[2:]), strict=True)
        ]
        session = _session("ConvTranspose", self.window, self.groups, tuple(more))
        return session.run({"x": values, "w": weight})["y"]

    def gradient(self, values: Array, data: Array, shape: Sequence[int]) -> Array:
        """As `LinearMap` says; of a convolution in one group."""
        total = np.zeros((shape[0], math.prod(shape[1:])), np.float32)
        for part in self._parts(data, values.shape):
            rows = self._rows(data[part], values[part].shape)
            total += np.moveaxis(values[part], 1, -1).reshape(len(rows), -1).T @ rows
        return total.reshape(shape)

    def products(self, data: Array) -> NDArray[np.float64]:
        """As `LinearMap` says."""
        shape = (len(data), 1, *self._sizes(data.shape[2:]))
        features = data.shape[1] * math.prod(self.window.kernel) + 1
        total, count = np.zeros((features, features)), 0
        for part in self._parts(data, shape):
            rows = self._rows(data[part], (len(data[part]), *shape[1:]))
            rows = np.concatenate([rows, np.ones((len(rows), 1), np.float32)], 1)
            total += rows.T @ rows
            count += len(rows)
        return np.asarray(total / count)

    def _rows(self, data: Array, shape: Sequence[int]) -> Array:
        sizes = (len(data), *shape[2:])
        positions = tuple(np.unravel_index(np.arange(math.prod(sizes)), sizes))
        return windows(data, positions, self.window)

    def _parts(self, data: Array, shape: Sequence[int]) -> list[slice]:
        """Samples whose rows are held at once."""
        row = 4 * data.shape[1] * math.prod(self.window.kernel)
        size = max(1, _CHUNK // max(row * math.prod(shape[2:]), 1))
        return [slice(start, start + size) for start in range(0, len(data), size)]

    def _sizes(self, sizes: Sequence[int]) -> tuple[int, ...]:
        """Sizes of the output."""
        w = self.window
        axes = range(len(w.kernel))
        return tuple(
            (sizes[a] + w.pads[a] + w.pads[a + len(w.kernel)] - self._spread(a)) // w.strides[a] + 1
            for a in axes
        )

    def _reached(self, sizes: Sequence[int]) -> list[int]:
        """Sizes of the data that outputs of some sizes read."""
        w = self.window
        return [
            (size - 1) * w.strides[a] + self._spread(a) - w.pads[a] - w.pads[a + len(w.kernel)]
            for a, size in enumerate(sizes)
        ]

    def _spread(self, axis: int) -> int:
        return (self.window.kernel[axis] - 1) * self.window.dilations[axis] + 1


def linear_map_of(node: ir.Node, weight: NDArray[np.generic]) -> LinearMap | None:
    """A convolution in one group in two dimensions, or a matrix product; ``None`` for others."""
    if node.op_type == "Gemm" and node.attributes.get_int("transB", 0) == 1:
        return Matrix()
    return convolution_of(node, weight, 1)


def convolution_of(node: ir.Node, weight: NDArray[np.generic], groups: int) -> Convolution | None:
    """A convolution in two dimensions with so many groups, or ``None``."""
    if node.op_type != "Conv" or weight.ndim != 4:
        return None
    window = window_of(node, weight.shape[2:])
    if window is None or node.attributes.get_int("group", 1) != groups:
        return None
    return Convolution(window, groups)


@lru_cache(_SESSIONS)
def _session(operator: str, window: Window, groups: int, more: tuple[int, ...] = ()) -> Session:
    """One node with its weight as an input; a transposed one's output is so much larger."""
    float32 = ir.TensorType(ir.DataType.FLOAT)
    inputs = [ir.Value(name=name, type=float32) for name in "xw"]
    output = ir.Value(name="y", type=float32)
    attributes = [
        ir.AttrInt64s("strides", list(window.strides)),
        ir.AttrInt64s("dilations", list(window.dilations)),
        ir.AttrInt64s("pads", list(window.pads)),
        ir.AttrInt64("group", groups),
        *([ir.AttrInt64s("output_padding", list(more))] if more else []),
    ]
    node = ir.Node("", operator, inputs, attributes, outputs=[output], name=operator)
    graph = ir.Graph(inputs, [output], nodes=[node], opset_imports={"": 17}, name=operator)
    return Session(ir.Model(graph, ir_version=8), arena=False)
