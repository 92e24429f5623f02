"""Lowering of layers that join the outputs of several others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from prunus_darknet.lower.builder import Attributes, GraphBuilder
from prunus_darknet.records.layers import Layer, Shape

Join = Callable[[GraphBuilder, Layer, Sequence[ir.Value], Sequence[Shape]], ir.Value]


def _dims(shape: Shape) -> tuple[int, ...]:
    return (shape.c, shape.h, shape.w)


def _route(
    build: GraphBuilder, layer: Layer, sources: Sequence[ir.Value], shapes: Sequence[Shape]
) -> ir.Value:
    """Concatenation; with ``groups`` of one part of each source (``forward_route_layer``)."""
    out, groups = layer.output, layer.numbers["groups"]
    parts = []
    for position, (value, shape) in enumerate(zip(sources, shapes, strict=True)):
        if out.image:
            part = build.as_image(layer, value, shape, f"image{position}")
        else:
            part = build.as_vector(layer, value, shape, f"flatten{position}")
        if groups > 1:
            part = _part(build, layer, part, shape, position)
        parts.append(part)
    if len(parts) == 1:
        return parts[0]
    dims = _dims(out) if out.image else (out.size,)
    return build.emit(layer, "concat", "Concat", parts, dims, {"axis": 1})


def _part(
    build: GraphBuilder, layer: Layer, value: ir.Value, shape: Shape, position: int
) -> ir.Value:
    """Part ``group_id`` of ``groups`` equal ones.

    Written as a reshape to (groups, c / groups) so that the parts must stay equal:
    the cfg has no way to say anything else.
    """
    groups, chosen = layer.numbers["groups"], layer.numbers["group_id"]
    rest = (shape.h, shape.w) if layer.output.image else ()
    count = (shape.c if layer.output.image else shape.size) // groups
    dims = (groups, count, *rest)
    value = build.reshape(layer, f"parts{position}", value, dims, dims)
    index = build.constant(layer, f"part{position}_index", np.array(chosen, np.int64))
    return build.emit(
        layer, f"part{position}", "Gather", (value, index), (count, *rest), {"axis": 1}
    )


def _shortcut(
    build: GraphBuilder, layer: Layer, sources: Sequence[ir.Value], shapes: Sequence[Shape]
) -> ir.Value:
    """Sum; where sizes differ only the common channels and places are added (``shortcut_cpu``)."""
    value = build.as_image(layer, sources[0], shapes[0], "image")
    alpha, beta = layer.section.real("alpha", 1.0), layer.section.real("beta", 1.0)
    for position, (other, shape) in enumerate(zip(sources[1:], shapes[1:], strict=True)):
        other = build.as_image(layer, other, shape, f"image{position}")
        value = _Sum(build, layer, layer.output, shape, position).join(value, other, alpha, beta)
    return value


class _Sum:
    """One addition of a shortcut, of ``given`` with the ``other`` shape."""

    def __init__(
        self, build: GraphBuilder, layer: Layer, given: Shape, other: Shape, position: int
    ) -> None:
        self.build, self.layer, self.position = build, layer, position
        self.given, self.other = given, other

    def join(self, value: ir.Value, other: ir.Value, alpha: float, beta: float) -> ir.Value:
        given = self.given
        common = Shape(min(given.c, self.other.c), given.h, given.w)
        other = self._fitted(self._scaled(other, self.other, beta, "beta"), common)
        if common.c == given.c:
            value = self._scaled(value, given, alpha, "alpha")
            return self._emit("add", "Add", (value, other), _dims(given))
        first = self._channels(value, common, 0, common.c, "first")
        first = self._scaled(first, common, alpha, "alpha")
        summed = self._emit("add", "Add", (first, other), _dims(common))
        rest_shape = Shape(given.c - common.c, given.h, given.w)
        rest = self._channels(value, rest_shape, common.c, given.c, "rest")
        return self._emit("concat", "Concat", (summed, rest), _dims(given), {"axis": 1})

    def _fitted(self, value: ir.Value, common: Shape) -> ir.Value:
        """The other value's common channels at the given resolution."""
        other = self.other
        if other.c != common.c:
            other = Shape(common.c, other.h, other.w)
            value = self._channels(value, other, 0, common.c, "common")
        if other.w > common.w:
            return self._every(value, common, other.w // common.w)
        if other.w < common.w:
            return self._spread(value, other, common.w // other.w)
        return value

    def _every(self, value: ir.Value, common: Shape, stride: int) -> ir.Value:
        """Every ``stride``-th place from the first."""
        ends = (common.h * stride, common.w * stride)
        numbers = {"starts": (0, 0), "ends": ends, "axes": (2, 3), "steps": (stride, stride)}
        return self._slice(value, common, numbers, "every")

    def _spread(self, value: ir.Value, other: Shape, sample: int) -> ir.Value:
        """Values ``sample`` places apart, zeros between: a fixed mask on repeated pixels."""
        dims = (other.c, other.h * sample, other.w * sample)
        scales = self._constant("scales", np.array([1, 1, sample, sample], np.float32))
        nothing = self._constant("roi", np.zeros(0, np.float32))
        attributes = {
            "mode": "nearest",
            "coordinate_transformation_mode": "asymmetric",
            "nearest_mode": "floor",
        }
        value = self._emit("repeat", "Resize", (value, nothing, scales), dims, attributes)
        mask = np.zeros((1, 1, *dims[1:]), np.float32)
        mask[:, :, ::sample, ::sample] = 1
        return self._emit("mask", "Mul", (value, self._constant("places", mask)), dims)

    def _channels(self, value: ir.Value, shape: Shape, start: int, end: int, step: str) -> ir.Value:
        return self._slice(value, shape, {"starts": (start,), "ends": (end,), "axes": (1,)}, step)

    def _slice(
        self, value: ir.Value, shape: Shape, numbers: Mapping[str, tuple[int, ...]], step: str
    ) -> ir.Value:
        operands = [
            self._constant(f"{step}_{name}", np.array(given, np.int64))
            for name, given in numbers.items()
        ]
        return self._emit(step, "Slice", (value, *operands), _dims(shape))

    def _scaled(self, value: ir.Value, shape: Shape, factor: float, step: str) -> ir.Value:
        if factor == 1.0:
            return value
        operand = self._constant(f"{step}_factor", np.array(factor, np.float32))
        return self._emit(step, "Mul", (value, operand), _dims(shape))

    def _constant(self, step: str, array: NDArray[np.generic]) -> ir.Value:
        return self.build.constant(self.layer, f"{step}{self.position}", array)

    def _emit(
        self,
        step: str,
        op: str,
        inputs: Sequence[ir.Value],
        dims: tuple[int, ...],
        attributes: Attributes | None = None,
    ) -> ir.Value:
        return self.build.emit(self.layer, f"{step}{self.position}", op, inputs, dims, attributes)


def _product(
    build: GraphBuilder, layer: Layer, sources: Sequence[ir.Value], shapes: Sequence[Shape]
) -> ir.Value:
    """``[scale_channels]`` and ``[sam]``: the ``from`` layer times this input, broadcast."""
    gate = build.as_image(layer, sources[0], shapes[0], "gate")
    value = build.as_image(layer, sources[1], shapes[1], "image")
    return build.emit(layer, "mul", "Mul", (value, gate), _dims(layer.output))


JOINS: dict[str, Join] = {
    "route": _route,
    "shortcut": _shortcut,
    "scale_channels": _product,
    "sam": _product,
}
