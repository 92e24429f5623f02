"""Operators that only see the same numbers in another shape."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from prunus_torch.operators.node import Builder, Node, Operation


def _reshape(node: Node) -> Operation:
    read = node.integers(1, "shape")
    if read is None:
        raise node.refuse("target shape")
    keep_zero = bool(node.get("allowzero", 0))

    def run(x: Tensor, shape: Tensor | None = None) -> Tensor:
        wanted = read(shape)
        if not keep_zero:
            wanted = tuple(x.shape[axis] if size == 0 else size for axis, size in enumerate(wanted))
        return x.reshape(wanted)

    return run


def _flatten(node: Node) -> Operation:
    axis = node.get("axis", 1)

    def run(x: Tensor) -> Tensor:
        split = axis % x.ndim if axis < 0 else axis
        # The first part is counted, not -1: the batch may be empty or the second part 1.
        return x.reshape(math.prod(x.shape[:split]), math.prod(x.shape[split:]))

    return run


def _squeeze(node: Node) -> Operation:
    read = node.integers(1, "axes")

    def run(x: Tensor, axes: Tensor | None = None) -> Tensor:
        return torch.squeeze(x) if read is None else torch.squeeze(x, read(axes))

    return run


def _unsqueeze(node: Node) -> Operation:
    read = node.integers(1, "axes")
    if read is None:
        raise node.refuse("axes")

    def run(x: Tensor, axes: Tensor | None = None) -> Tensor:
        given = read(axes)
        rank = x.ndim + len(given)
        for axis in sorted(a % rank for a in given):
            x = x.unsqueeze(axis)
        return x

    return run


def _transpose(node: Node) -> Operation:
    order = node.get("perm")

    def run(x: Tensor) -> Tensor:
        return x.permute(tuple(order) if order is not None else tuple(reversed(range(x.ndim))))

    return run


def _depth_to_space(node: Node) -> Operation:
    size = node.get("blocksize")
    depth_first = node.get("mode", "DCR") == "DCR"

    def run(x: Tensor) -> Tensor:
        n, c, h, w = x.shape
        out = c // size**2
        if depth_first:
            y = x.reshape(n, size, size, out, h, w).permute(0, 3, 4, 1, 5, 2)
        else:
            y = x.reshape(n, out, size, size, h, w).permute(0, 1, 4, 2, 5, 3)
        return y.reshape(n, out, h * size, w * size)

    return run


def _space_to_depth(node: Node) -> Operation:
    size = node.get("blocksize")

    def run(x: Tensor) -> Tensor:
        n, c, h, w = x.shape
        y = x.reshape(n, c, h // size, size, w // size, size).permute(0, 3, 5, 1, 2, 4)
        return y.reshape(n, c * size**2, h // size, w // size)

    return run


def _expand(node: Node) -> Operation:
    read = node.integers(1)
    if read is None:
        raise node.refuse("target shape")

    def run(x: Tensor, shape: Tensor | None = None) -> Tensor:
        return x.expand(np.broadcast_shapes(tuple(x.shape), read(shape)))

    return run


def _shape(node: Node) -> Operation:
    start, end = node.get("start", 0), node.get("end")

    def run(x: Tensor) -> Tensor:
        return torch.tensor(x.shape[start:end], dtype=torch.int64)

    return run


BUILDERS: dict[str, Builder] = {
    "DepthToSpace": _depth_to_space,
    "Expand": _expand,
    "Flatten": _flatten,
    "Reshape": _reshape,
    "Shape": _shape,
    "SpaceToDepth": _space_to_depth,
    "Squeeze": _squeeze,
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
}
