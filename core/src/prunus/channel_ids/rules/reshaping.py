"""Reshapes: the operator itself is applied to the full channel id tensor."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from prunus.channel_ids.domain import ChannelIds, Domain


def reshape(node: ir.Node, domain: Domain) -> None:
    """Reshape, Flatten. Where channels are split into rows, rows must stay equal."""
    full = _full(node, domain)
    if full is None:
        return
    output = node.outputs[0]
    domain.set(output, full.reshape(domain.dims(output)))
    labels = domain.spread(output)
    assert labels is not None
    varying = [size for size in labels.shape if size > 1]
    for leading in range(1, len(varying)):
        rows = labels.reshape(int(np.prod(varying[:leading])), -1)
        domain.balance_rows(node, rows, fixed=False)


def depth_to_space(node: ir.Node, domain: Domain) -> None:
    """DepthToSpace, both modes (ONNX operator definition)."""
    full = _full(node, domain)
    if full is None:
        return
    block = node.attributes.get_int("blocksize")
    batch, channels, height, width = full.shape
    depth = channels // block**2
    if node.attributes.get_string("mode", "DCR") == "DCR":
        parts = full.reshape(batch, block, block, depth, height, width).transpose(0, 3, 4, 1, 5, 2)
    else:
        parts = full.reshape(batch, depth, block, block, height, width).transpose(0, 1, 4, 2, 5, 3)
    domain.set(node.outputs[0], parts.reshape(batch, depth, height * block, width * block))


def space_to_depth(node: ir.Node, domain: Domain) -> None:
    """SpaceToDepth (ONNX operator definition)."""
    full = _full(node, domain)
    if full is None:
        return
    block = node.attributes.get_int("blocksize")
    batch, channels, height, width = full.shape
    parts = full.reshape(batch, channels, height // block, block, width // block, block)
    parts = parts.transpose(0, 3, 5, 1, 2, 4)
    domain.set(node.outputs[0], parts.reshape(batch, -1, height // block, width // block))


def _full(node: ir.Node, domain: Domain) -> ChannelIds | None:
    data = node.inputs[0]
    labels = domain.spread(data)
    if data is None or labels is None:
        return None
    return np.broadcast_to(labels, domain.dims(data))


RULES = {
    "Reshape": reshape,
    "Flatten": reshape,
    "DepthToSpace": depth_to_space,
    "SpaceToDepth": space_to_depth,
}
