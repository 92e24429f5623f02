"""The graph under construction while layers are lowered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnx_ir as ir

from prunus.plugin import GraphBuilder
from prunus_darknet.records.layers import Layer, Shape

Attributes = Mapping[str, int | float | str | Sequence[int]]


class LayerBuilder(GraphBuilder):
    """The graph in terms of Darknet's layers: a few nodes each, images or vectors between them."""

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
        return self.node(
            layer.name, op, inputs, attributes,
            shape=("N", *dims), name=f"{layer.name}/{step}", output=f"{layer.name}@{step}",
        )  # fmt: skip

    def reshape(
        self, layer: Layer, step: str, value: ir.Value, target: Sequence[int], dims: tuple[int, ...]
    ) -> ir.Value:
        """Reshape with a shape operand of its own; ``0`` copies, as for the batch."""
        operand = self.constant(f"{layer.name}/{step}_shape", [0, *target])
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
            self.constant(f"{layer.name}/{step}_{name}", numbers)
            for name, numbers in operands.items()
        ]
        dims = list(sides(value))
        for axis, positions in ranges.items():
            dims[axis] = len(positions)
        return self.emit(layer, step, "Slice", (value, *constants), tuple(dims[1:]))

    def repeat(self, layer: Layer, step: str, value: ir.Value, times: int) -> ir.Value:
        """An image with every pixel ``times`` times in both directions."""
        scales = self.constant(
            f"{layer.name}/{step}_scales", np.array([1, 1, times, times], np.float32)
        )
        nothing = self.constant(f"{layer.name}/{step}_roi", np.zeros(0, np.float32))
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
        operand = self.constant(f"{layer.name}/{step}_factor", np.array(factor, np.float32))
        return self.emit(layer, step, "Mul", (value, operand), sides(value)[1:])

    def finish(self, layer: Layer, value: ir.Value) -> ir.Value:
        """Name the layer's output after the layer; a layer without nodes gets an Identity."""
        if not self.layers[layer.name]:
            value = self.emit(layer, "same", "Identity", (value,), sides(value)[1:])
        self.rename(value, layer.name)
        return value


def sides(value: ir.Value) -> tuple[int, ...]:
    """Sizes of all axes; the batch and other symbols are -1."""
    return tuple(side if isinstance(side, int) else -1 for side in value.shape or ())


def rank(value: ir.Value) -> int:
    """Number of axes."""
    return 0 if value.shape is None else len(value.shape)
