"""Gemm, MatMul and Einsum."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from prunus_torch.operators.node import Builder, Node, Operation, plain


def _gemm(node: Node) -> Operation:
    alpha, beta = node.get("alpha", 1.0), node.get("beta", 1.0)
    left, right = bool(node.get("transA", 0)), bool(node.get("transB", 0))

    def run(a: Tensor, b: Tensor, c: Tensor | None = None) -> Tensor:
        a = a.t() if left else a
        if right and alpha == 1 and (c is None or (beta == 1 and c.ndim == 1)):
            return functional.linear(a, b, c)
        y = a @ (b.t() if right else b)
        y = y if alpha == 1 else y * alpha
        return y if c is None else y + c * beta

    return run


def _einsum(node: Node) -> Operation:
    equation = node.get("equation", "").replace(" ", "")
    return lambda *operands: torch.einsum(equation, *operands)


BUILDERS: dict[str, Builder] = {
    "Einsum": _einsum,
    "Gemm": _gemm,
    "MatMul": plain(torch.matmul),
}
