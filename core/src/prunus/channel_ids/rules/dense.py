"""Fully connected layers."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from prunus.channel_ids.domain import ChannelIds, Domain
from prunus.channel_ids.rules.passing import block, channels_only
from prunus.channel_ids.rules.product import product


def gemm(node: ir.Node, domain: Domain) -> None:
    """Gemm: A (N, K) · B, with B (K, M) or, transB, (M, K)."""
    data, weight = node.inputs[0], node.inputs[1]
    bias = node.inputs[2] if len(node.inputs) > 2 else None
    assert data is not None
    assert weight is not None
    if not weight.is_initializer() or node.attributes.get_int("transA", 0) == 1:
        block(node, domain, f"feeds '{domain.name(node)}', which does not read rows of a weight")
        return
    out_axis = 0 if node.attributes.get_int("transB", 0) == 1 else 1
    made = _read_and_make(node, domain, data, weight, out_axis)
    shape = domain.original(bias) if bias is not None else ()
    if bias is not None and shape and shape[-1] > 1:
        domain.weight(node, bias, "bias", len(shape) - 1, made)


def matmul(node: ir.Node, domain: Domain) -> None:
    """MatMul: A (…, K) · B (K, M) with a constant B; `product` of two computed values."""
    data, weight = node.inputs
    assert data is not None
    assert weight is not None
    if not weight.is_initializer():
        product(node, domain)
        return
    if len(domain.original(weight)) != 2:
        block(node, domain, f"feeds product '{domain.name(node)}' with several weights")
        return
    _read_and_make(node, domain, data, weight, 1)


def _read_and_make(
    node: ir.Node, domain: Domain, data: ir.Value, weight: ir.Value, out_axis: int
) -> ChannelIds:
    rank = len(domain.dims(data))
    read = channels_only(node, domain, data, rank - 1)
    assert read is not None
    made = domain.fresh(node, domain.original(weight)[out_axis])
    domain.weight(node, weight, "filter", out_axis, made)
    domain.weight(node, weight, "input", 1 - out_axis, read)
    domain.set(node.outputs[0], np.reshape(made, (1,) * (rank - 1) + (-1,)))
    return made


RULES = {"Gemm": gemm, "MatMul": matmul}
