"""Convolutions: the input axis of the weight reads channel ids, the output axis makes them."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from prunus.channel_ids.domain import ChannelIds, Domain
from prunus.channel_ids.rules.passing import block, channels_only


def _operands(node: ir.Node) -> tuple[ir.Value, ir.Value, ir.Value | None]:
    inputs = [*node.inputs, None]
    data, weight, bias = inputs[0], inputs[1], inputs[2]
    assert data is not None
    assert weight is not None
    return data, weight, bias


def _publish(node: ir.Node, domain: Domain, made: ChannelIds, bias: ir.Value | None) -> None:
    if bias is not None:
        domain.weight(node, bias, "bias", 0, made)
    rank = len(domain.dims(node.outputs[0]))
    domain.set(node.outputs[0], made.reshape((1, -1) + (1,) * (rank - 2)))


def convolution(node: ir.Node, domain: Domain) -> None:
    """Conv: weight (O, I/g, k…). Depthwise follows its input; groups lose equally."""
    data, weight, bias = _operands(node)
    if not weight.is_initializer():
        block(node, domain, f"feeds '{domain.name(node)}', whose weight is computed")
        return
    read = channels_only(node, domain, data)
    assert read is not None
    outputs, per_group = domain.original(weight)[:2]
    groups = domain.original(data)[1] // per_group
    if per_group == 1 and groups > 1:
        made = np.repeat(read, outputs // groups)
        domain.weight(node, weight, "filter", 0, made)
    else:
        made = domain.fresh(node, outputs)
        domain.weight(node, weight, "filter", 0, made)
        if groups == 1:
            domain.weight(node, weight, "input", 1, read)
        else:
            rows = read.reshape(groups, -1)
            domain.balance_rows(node, rows, fixed=True)
            domain.balance_rows(node, made.reshape(groups, -1), fixed=True)
            domain.weight(node, weight, "input", 1, rows)
    _publish(node, domain, made, bias)


def transposed(node: ir.Node, domain: Domain) -> None:
    """ConvTranspose: weight (I, O/g, k…)."""
    data, weight, bias = _operands(node)
    if not weight.is_initializer():
        block(node, domain, f"feeds '{domain.name(node)}', whose weight is computed")
        return
    read = channels_only(node, domain, data)
    assert read is not None
    inputs, per_group = domain.original(weight)[:2]
    groups = domain.original(node.outputs[0])[1] // per_group
    if groups == 1:
        made = domain.fresh(node, per_group)
        domain.weight(node, weight, "filter", 1, made)
        domain.weight(node, weight, "input", 0, read)
    elif groups == inputs:
        made = np.repeat(read, per_group)
        domain.weight(node, weight, "filter", 0, read)
    else:
        block(node, domain, f"feeds grouped transposed convolution '{domain.name(node)}'")
        return
    _publish(node, domain, made, bias)


RULES = {"Conv": convolution, "ConvTranspose": transposed}
