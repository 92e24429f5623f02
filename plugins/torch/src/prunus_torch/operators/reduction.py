"""Reductions over axes."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from prunus_torch.operators.node import Builder, Node, Operation

Reduce = Callable[[Tensor, tuple[int, ...], bool], Tensor]


def _norm(x: Tensor, axes: tuple[int, ...], keep: bool) -> Tensor:
    norm: Tensor = torch.linalg.vector_norm(x, 2, dim=axes, keepdim=keep)
    return norm


def _reduction(reduce: Reduce) -> Builder:
    def build(node: Node) -> Operation:
        read = node.integers(1, "axes")
        keep = bool(node.get("keepdims", 1))
        nothing = bool(node.get("noop_with_empty_axes", 0))

        def run(x: Tensor, axes: Tensor | None = None) -> Tensor:
            along = () if read is None else read(axes)
            if not along and nothing:
                return x
            return reduce(x, along or tuple(range(x.ndim)), keep)

        return run

    return build


def _arg_max(node: Node) -> Operation:
    axis, keep = node.get("axis", 0), bool(node.get("keepdims", 1))
    last = bool(node.get("select_last_index", 0))

    def run(x: Tensor) -> Tensor:
        if not last:
            return torch.argmax(x, axis, keep)
        behind: Tensor = torch.argmax(torch.flip(x, (axis,)), axis, keep)
        last_index: Tensor = x.shape[axis] - 1 - behind
        return last_index

    return run


BUILDERS: dict[str, Builder] = {
    "ArgMax": _arg_max,
    "ReduceL2": _reduction(_norm),
    "ReduceMax": _reduction(torch.amax),
    "ReduceMean": _reduction(torch.mean),
    "ReduceMin": _reduction(torch.amin),
    "ReduceSum": _reduction(torch.sum),
}
