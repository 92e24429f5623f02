"""Max pooling and its inverse: positions of the largest values travel beside the data."""

from __future__ import annotations

import onnx_ir as ir

from prunus.channel_ids.domain import Domain
from prunus.channel_ids.rules.passing import block, channels_only, spatial


def pool(node: ir.Node, domain: Domain) -> None:
    """MaxPool; its indices have the channels of the data where nothing but unpooling reads them.

    An index counts through the whole input, channels included (ONNX operator definition).
    """
    indices = node.outputs[1] if len(node.outputs) > 1 else None
    consumed = indices is not None and (indices.uses() or indices.is_graph_output())
    if indices is None or not consumed:
        spatial(node, domain)
    elif all(_inverse(use.node, node, domain) for use in indices.uses()) and not (
        indices.is_graph_output()
    ):
        spatial(node, domain)
        labels = domain.spread(node.outputs[0])
        if labels is not None:
            domain.set(indices, labels)
    else:
        block(node, domain, f"'{domain.name(node)}' gives indices '{indices.name}' of all channels")


def _inverse(node: ir.Node, pooling: ir.Node, domain: Domain) -> bool:
    """Whether a node brings the pooled values back to where they came from."""
    data = pooling.inputs[0]
    assert data is not None
    indices = node.inputs[1] if len(node.inputs) > 1 else None
    return (
        node.op_type == "MaxUnpool"
        and indices is pooling.outputs[1]
        and node.inputs[0] is not indices
        and domain.known(node.outputs[0])
        and domain.original(node.outputs[0]) == domain.original(data)
    )


def unpool(node: ir.Node, domain: Domain) -> None:
    """MaxUnpool: data and indices lose the same channels."""
    data, indices = node.inputs[:2]
    known = indices is not None and domain.spread(indices) is not None
    sizes = len(node.inputs) < 3 or node.inputs[2] is None or domain.operand(node, 2) is not None
    maker = None if indices is None else indices.producer()
    if not known or not sizes or maker is None or not _inverse(node, maker, domain):
        block(node, domain, f"feeds '{domain.name(node)}', which places values by other indices")
        return
    assert data is not None
    assert indices is not None
    vector = channels_only(node, domain, data)
    positions = channels_only(node, domain, indices)
    assert vector is not None
    assert positions is not None
    domain.unite(node, vector, positions)
    rank = len(domain.dims(node.outputs[0]))
    domain.set(node.outputs[0], vector.reshape((1, -1) + (1,) * (rank - 2)))


RULES = {"MaxPool": pool, "MaxUnpool": unpool}
