"""Operators that take, repeat, join and pad."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from prunus_torch.operators.node import Builder, Node, Operation, pairs, torch_pads


def _concat(node: Node) -> Operation:
    axis = node.get("axis")
    return lambda *parts: torch.cat(parts, axis)


def _split(node: Node) -> Operation:
    axis = node.get("axis", 0)
    read = node.integers(1, "split")

    def run(x: Tensor, sizes: Tensor | None = None) -> tuple[Tensor, ...]:
        if read is not None:
            return torch.split(x, list(read(sizes)), axis)
        return torch.split(x, -(-x.shape[axis] // node.outputs), axis)

    return run


def _slice(node: Node) -> Operation:
    starts, ends = node.integers(1, "starts"), node.integers(2, "ends")
    axes, steps = node.integers(3, "axes"), node.integers(4)
    if starts is None or ends is None:
        raise node.refuse("support for missing bounds")

    def run(
        x: Tensor,
        first: Tensor | None = None,
        last: Tensor | None = None,
        where: Tensor | None = None,
        stride: Tensor | None = None,
    ) -> Tensor:
        begins, stops = starts(first), ends(last)
        along = axes(where) if axes is not None else tuple(range(len(begins)))
        strides = steps(stride) if steps is not None else (1,) * len(begins)
        for axis, begin, end, step in zip(along, begins, stops, strides, strict=True):
            x = _cut(x, axis % x.ndim, slice(begin, end, step))
        return x

    return run


def _cut(x: Tensor, axis: int, part: slice) -> Tensor:
    """ONNX clamps bounds as Python does; torch itself takes no negative steps."""
    chosen = range(*part.indices(x.shape[axis]))
    if part.step > 0:
        plain = slice(chosen.start, max(chosen.start, chosen.stop), chosen.step)
        return x[(slice(None),) * axis + (plain,)]
    return x.index_select(axis, torch.tensor(list(chosen), dtype=torch.int64, device=x.device))


def _gather(node: Node) -> Operation:
    axis = node.get("axis", 0)

    def run(x: Tensor, indices: Tensor) -> Tensor:
        along = axis % x.ndim
        flat = indices.reshape(-1)
        flat = torch.where(flat < 0, flat + x.shape[along], flat)
        picked = x.index_select(along, flat)
        return picked.reshape((*x.shape[:along], *indices.shape, *x.shape[along + 1 :]))

    return run


def _pad(node: Node) -> Operation:
    mode = node.get("mode", "constant")
    if mode not in ("constant", "reflect", "edge", "wrap"):
        raise node.refuse(f"mode '{mode}'")
    read, axes = node.integers(1, "pads"), node.integers(3)
    value = node.number(2, "value", 0.0) or 0.0
    if read is None:
        raise node.refuse("support for missing pads")

    def run(
        x: Tensor, pads: Tensor | None = None, _: Tensor | None = None, along: Tensor | None = None
    ) -> Tensor:
        sides = pairs(read(pads))
        if axes is not None:
            given, sides = sides, [(0, 0)] * x.ndim
            for axis, side in zip(axes(along), given, strict=True):
                sides[axis % x.ndim] = side
        if mode == "constant":
            return functional.pad(x, torch_pads(sides), value=value)
        return _extended(x, sides, mode)

    return run


def _extended(x: Tensor, sides: list[tuple[int, int]], mode: Any) -> Tensor:
    """Padding by existing elements: numpy's own modes of these names, applied to positions."""
    for axis, (begin, end) in enumerate(sides):
        if not begin and not end:
            continue
        positions = np.arange(x.shape[axis])[max(0, -begin) : x.shape[axis] - max(0, -end)]
        positions = np.pad(positions, (max(0, begin), max(0, end)), mode=mode)
        x = x.index_select(axis, torch.from_numpy(positions).to(x.device))
    return x


def _tile(node: Node) -> Operation:
    read = node.integers(1)
    if read is None:
        raise node.refuse("support for missing repeats")
    return lambda x, repeats=None: x.repeat(read(repeats))


def _constant_of_shape(node: Node) -> Operation:
    given = node.get("value")
    value = torch.zeros(1) if given is None else torch.from_numpy(np.array(given.numpy()))

    def run(shape: Tensor) -> Tensor:
        return value.reshape(()).expand(tuple(shape.tolist())).clone()

    return run


BUILDERS: dict[str, Builder] = {
    "Concat": _concat,
    "ConstantOfShape": _constant_of_shape,
    "Gather": _gather,
    "Pad": _pad,
    "Slice": _slice,
    "Split": _split,
    "Tile": _tile,
}
