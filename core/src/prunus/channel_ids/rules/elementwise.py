"""Elementwise operators: channels of equal position can only go together."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from prunus.channel_ids.domain import ChannelIds, Domain

_ROLES = {"Mul": "scale", "Add": "shift", "Sub": "shift"}
"""Operands that a mask zeroes too. Other operands act on nothing; a divisor must not be zero."""


def elementwise(node: ir.Node, domain: Domain) -> None:
    """Broadcasting operators of any number of operands; constants follow."""
    output = node.outputs[0]
    result = _united(node, domain)
    result = _of_constants(node, domain) if result is None else result
    if result is None:
        domain.mark(output, f"constant '{domain.name(node)}'")
        return
    domain.set(output, result)
    role = _ROLES.get(node.op_type, "operand")
    for value in node.inputs:
        if value is not None and value.is_initializer():
            _follow(node, domain, value, output, role)


def prelu(node: ir.Node, domain: Domain) -> None:
    """PRelu: the slope broadcasts to the data."""
    data, slope = node.inputs
    labels = domain.spread(data)
    if labels is None:
        return
    domain.set(node.outputs[0], labels)
    if slope is not None and slope.is_initializer():
        _follow(node, domain, slope, node.outputs[0], "slope")
    elif slope is not None:
        domain.freeze(labels, f"feeds '{domain.name(node)}', whose slope is computed")


def _united(node: ir.Node, domain: Domain) -> ChannelIds | None:
    """Unite the operands' channel ids; the operand with most varying axes gives the result."""
    shape = domain.original(node.outputs[0])
    operands = []
    for value in node.inputs:
        labels = domain.spread(value)
        if value is None or labels is None:
            continue
        lead = len(shape) - labels.ndim
        dims = (1,) * lead + domain.original(value)
        varying = (False,) * lead + domain.varying(value)
        operands.append((labels.reshape((1,) * lead + labels.shape), dims, varying))
    if not operands:
        return None
    operands.sort(key=lambda operand: -sum(operand[2]))
    result, _, full = operands[0]
    for labels, dims, varying in operands[1:]:
        axes = [axis for axis, along in enumerate(full) if along]
        if axes and not any(varying) and all(dims[axis] == 1 for axis in axes):
            # one map for all channels (spatial attention) has no channel of its own to lose
            domain.freeze(labels, f"broadcast over the channels of '{domain.name(node)}'")
        else:
            domain.unite(node, result, labels)
    return result


def _of_constants(node: ir.Node, domain: Domain) -> ChannelIds | None:
    """Channel ids along the one axis that a stored operand alone runs over.

    Of a bias for each head ``(H, T, T)`` and a mask for each window ``(W, 1, T, T)``: the heads.
    """
    shape = domain.original(node.outputs[0])
    found = []
    for axis in range(1, len(shape) + 1):
        along = [
            value
            for value in node.inputs
            if value is not None
            and len(domain.original(value)) >= axis
            and domain.original(value)[-axis] > 1
        ]
        tensor = along[0].const_value if len(along) == 1 and along[0].is_initializer() else None
        if tensor is not None and tensor.dtype == ir.DataType.FLOAT:
            found.append(len(shape) - axis)
    if len(found) != 1:
        return None
    made = domain.fresh(node, shape[found[0]])
    return made.reshape([-1 if axis == found[0] else 1 for axis in range(len(shape))])


def _follow(node: ir.Node, domain: Domain, value: ir.Value, output: ir.Value, role: str) -> None:
    labels = domain.spread(output)
    assert labels is not None
    dims = domain.original(value)
    offset = labels.ndim - len(dims)
    along = domain.varying(output)
    for axis, size in enumerate(dims):
        if size > 1 and along[axis + offset]:
            matrix = np.moveaxis(labels, axis + offset, 0).reshape(labels.shape[axis + offset], -1)
            if matrix.shape[1] > 1:
                domain.unite(node, matrix[:, :1], matrix)
            domain.weight(node, value, role, axis, matrix[:, 0])


RULES = {
    **dict.fromkeys(
        ("Add Sub Mul Div Max Min Sum Mean Pow Mod And Or Xor Where Equal Greater Less").split(),
        elementwise,
    ),
    "PRelu": prelu,
}
