"""Collects nodes, initializers and their native positions while layers are lowered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from prunus.plugin import Binding
from prunus_darknet.records.layers import Layer, Shape

BATCH = "N"
Attributes = Mapping[str, int | float | str | Sequence[int]]


class GraphBuilder:
    """A neutral graph in the making.

    Attributes:
        nodes: In order of execution.
        inputs: Graph inputs: the network's own, then outputs of opaque layers.
        initializers: Weights and constants by name.
        bindings: Native position of each weight.
        layers: Native layer name -> its node names.
        multiples: As in ``Network``.
    """

    def __init__(self) -> None:
        self.nodes: list[ir.Node] = []
        self.inputs: list[ir.Value] = []
        self.initializers: dict[str, ir.Value] = {}
        self.bindings: dict[str, Binding] = {}
        self.layers: dict[str, list[str]] = {}
        self.multiples: dict[str, int] = {}

    def input(self, name: str, shape: Shape) -> ir.Value:
        """A graph input of symbolic batch."""
        value = _value(name, shape.dims if shape.image else (shape.size,))
        self.inputs.append(value)
        return value

    def weight(
        self, layer: Layer, role: str, array: NDArray[np.float32], position: int
    ) -> ir.Value:
        """A weight that the file holds at ``layer.blobs[position]``."""
        name = f"{layer.name}/{role}"
        self.bindings[name] = Binding(layer.name, role, position)
        return self._initializer(name, array)

    def constant(self, layer: Layer, step: str, array: NDArray[np.generic]) -> ir.Value:
        """A constant that no file holds."""
        return self._initializer(f"{layer.name}/{step}", array)

    def _initializer(self, name: str, array: NDArray[np.generic]) -> ir.Value:
        value = ir.Value(name=name, const_value=ir.Tensor(array, name=name))
        value.shape = ir.Shape(array.shape)
        value.dtype = ir.DataType.INT64 if array.dtype == np.int64 else ir.DataType.FLOAT
        self.initializers[name] = value
        return value

    def emit(
        self,
        layer: Layer,
        step: str,
        op: str,
        inputs: Sequence[ir.Value],
        dims: tuple[int, ...],
        attributes: Attributes | None = None,
    ) -> ir.Value:
        """Add a node ``<layer>/<step>`` with one output ``<layer>@<step>`` of ``(N, *dims)``."""
        output = _value(f"{layer.name}@{step}", dims)
        node = ir.node(
            op, inputs=list(inputs), attributes=dict(attributes or {}), outputs=[output],
            name=f"{layer.name}/{step}",
        )  # fmt: skip
        self.nodes.append(node)
        self.layers[layer.name].append(f"{layer.name}/{step}")
        return output

    def reshape(
        self, layer: Layer, step: str, value: ir.Value, target: Sequence[int], dims: tuple[int, ...]
    ) -> ir.Value:
        """Reshape with a shape operand of its own; ``0`` copies, as for the batch."""
        operand = self.constant(layer, f"{step}_shape", np.array([0, *target], np.int64))
        return self.emit(layer, step, "Reshape", (value, operand), dims)

    def as_image(self, layer: Layer, value: ir.Value, shape: Shape, step: str) -> ir.Value:
        """``value`` with axes (N, c, h, w)."""
        if rank(value) == 4:
            return value
        return self.reshape(layer, step, value, shape.dims, shape.dims)

    def as_vector(self, layer: Layer, value: ir.Value, shape: Shape, step: str) -> ir.Value:
        """``value`` with axes (N, n)."""
        if rank(value) == 2:
            return value
        return self.emit(layer, step, "Flatten", (value,), (shape.size,), {"axis": 1})

    def cut(
        self, layer: Layer, step: str, value: ir.Value, ranges: Mapping[int, range]
    ) -> ir.Value:
        """``value`` at the given positions of some axes (0 is the batch)."""
        operands = {
            "starts": [positions.start for positions in ranges.values()],
            "ends": [positions.stop for positions in ranges.values()],
            "axes": list(ranges),
            "steps": [positions.step for positions in ranges.values()],
        }
        constants = [
            self.constant(layer, f"{step}_{name}", np.array(numbers, np.int64))
            for name, numbers in operands.items()
        ]
        dims = list(sides(value))
        for axis, positions in ranges.items():
            dims[axis] = len(positions)
        return self.emit(layer, step, "Slice", (value, *constants), tuple(dims[1:]))

    def repeat(self, layer: Layer, step: str, value: ir.Value, times: int) -> ir.Value:
        """An image with every pixel ``times`` times in both directions."""
        scales = self.constant(layer, f"{step}_scales", np.array([1, 1, times, times], np.float32))
        nothing = self.constant(layer, f"{step}_roi", np.zeros(0, np.float32))
        _, c, h, w = sides(value)
        return self.emit(
            layer,
            step,
            "Resize",
            (value, nothing, scales),
            (c, h * times, w * times),
            {
                "mode": "nearest",
                "coordinate_transformation_mode": "asymmetric",
                "nearest_mode": "floor",
            },
        )

    def scaled(self, layer: Layer, step: str, value: ir.Value, factor: float) -> ir.Value:
        """``value`` times a number; no node where that is 1."""
        if factor == 1.0:
            return value
        operand = self.constant(layer, f"{step}_factor", np.array(factor, np.float32))
        return self.emit(layer, step, "Mul", (value, operand), sides(value)[1:])

    def finish(self, layer: Layer, value: ir.Value) -> ir.Value:
        """Name the layer's output after the layer; a layer without nodes gets an Identity."""
        if not self.layers[layer.name]:
            value = self.emit(layer, "same", "Identity", (value,), sides(value)[1:])
        value.name = layer.name
        return value


def sides(value: ir.Value) -> tuple[int, ...]:
    """Sizes of all axes; the batch and other symbols are -1."""
    return tuple(side if isinstance(side, int) else -1 for side in value.shape or ())


def rank(value: ir.Value) -> int:
    """Number of axes."""
    return 0 if value.shape is None else len(value.shape)


def _value(name: str, dims: Sequence[int]) -> ir.Value:
    return ir.Value(
        name=name, shape=ir.Shape([BATCH, *dims]), type=ir.TensorType(ir.DataType.FLOAT)
    )
