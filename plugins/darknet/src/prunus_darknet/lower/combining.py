"""Lowering of layers that join the outputs of several others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import onnx_ir as ir

from prunus_darknet.lower.builder import LayerBuilder, sides
from prunus_darknet.records.layers import Layer, Shape

Join = Callable[[LayerBuilder, Layer, Sequence[ir.Value], Sequence[Shape]], ir.Value]


def _route(
    build: LayerBuilder, layer: Layer, sources: Sequence[ir.Value], shapes: Sequence[Shape]
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
    dims = out.dims if out.image else (out.size,)
    return build.emit(layer, "concat", "Concat", parts, dims, {"axis": 1})


def _part(
    build: LayerBuilder, layer: Layer, value: ir.Value, shape: Shape, position: int
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
    index = build.constant(f"{layer.name}/part{position}_index", np.array(chosen, np.int64))
    return build.emit(
        layer, f"part{position}", "Gather", (value, index), (count, *rest), {"axis": 1}
    )


def _shortcut(
    build: LayerBuilder, layer: Layer, sources: Sequence[ir.Value], shapes: Sequence[Shape]
) -> ir.Value:
    """Sum; of unequal sizes only common channels and positions are added (``shortcut_cpu``)."""
    value = build.as_image(layer, sources[0], shapes[0], "image")
    alpha, beta = layer.section.real("alpha", 1.0), layer.section.real("beta", 1.0)
    for position, (other, shape) in enumerate(zip(sources[1:], shapes[1:], strict=True)):
        other = build.as_image(layer, other, shape, f"image{position}")
        value = _Sum(build, layer, position).join(value, other, alpha, beta)
    return value


class _Sum:
    """One addition of a shortcut; ``position`` tells its nodes from those of the others."""

    def __init__(self, build: LayerBuilder, layer: Layer, position: int) -> None:
        self.build, self.layer, self.position = build, layer, position

    def join(self, value: ir.Value, other: ir.Value, alpha: float, beta: float) -> ir.Value:
        """``alpha * value + beta * other``; channels that only ``value`` has stay as they are."""
        given = self.layer.output
        _, c, _, _ = sides(other)
        common = min(given.c, c)
        other = self._fitted(self._scaled(other, beta, "beta"), common)
        if common == given.c:
            return self._emit("add", "Add", (self._scaled(value, alpha, "alpha"), other))
        first = self._cut(value, {1: range(common)}, "first")
        summed = self._emit("add", "Add", (self._scaled(first, alpha, "alpha"), other))
        rest = self._cut(value, {1: range(common, given.c)}, "rest")
        return self.build.emit(
            self.layer, self._step("concat"), "Concat", (summed, rest), given.dims, {"axis": 1}
        )

    def _fitted(self, value: ir.Value, common: int) -> ir.Value:
        """The other value's common channels at the given resolution."""
        given = self.layer.output
        _, c, h, w = sides(value)
        if c != common:
            value = self._cut(value, {1: range(common)}, "common")
        if w > given.w:
            stride = w // given.w
            positions = {
                2: range(0, given.h * stride, stride),
                3: range(0, given.w * stride, stride),
            }
            return self._cut(value, positions, "every")
        if w < given.w:
            return self._spread(value, h, w, given.w // w)
        return value

    def _spread(self, value: ir.Value, h: int, w: int, sample: int) -> ir.Value:
        """Values ``sample`` positions apart, zeros between: a fixed mask on repeated pixels."""
        value = self.build.repeat(self.layer, self._step("repeat"), value, sample)
        mask = np.zeros((1, 1, h * sample, w * sample), np.float32)
        mask[:, :, ::sample, ::sample] = 1
        positions = self.build.constant(f"{self.layer.name}/{self._step('positions')}", mask)
        return self._emit("mask", "Mul", (value, positions))

    def _cut(self, value: ir.Value, ranges: Mapping[int, range], step: str) -> ir.Value:
        return self.build.cut(self.layer, self._step(step), value, ranges)

    def _scaled(self, value: ir.Value, factor: float, step: str) -> ir.Value:
        return self.build.scaled(self.layer, self._step(step), value, factor)

    def _emit(self, step: str, op: str, inputs: tuple[ir.Value, ir.Value]) -> ir.Value:
        dims = sides(inputs[0])[1:]
        return self.build.emit(self.layer, self._step(step), op, inputs, dims)

    def _step(self, step: str) -> str:
        return f"{step}{self.position}"


def _product(
    build: LayerBuilder, layer: Layer, sources: Sequence[ir.Value], shapes: Sequence[Shape]
) -> ir.Value:
    """``[scale_channels]`` and ``[sam]``: the ``from`` layer times this input, broadcast."""
    gate = build.as_image(layer, sources[0], shapes[0], "gate")
    value = build.as_image(layer, sources[1], shapes[1], "image")
    return build.emit(layer, "mul", "Mul", (value, gate), layer.output.dims)


JOINS: dict[str, Join] = {
    "route": _route,
    "shortcut": _shortcut,
    "scale_channels": _product,
    "sam": _product,
}
