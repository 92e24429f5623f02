"""Digests that key stored results."""

from __future__ import annotations

import hashlib

import numpy as np

from prunus.network import Network


def structure_digest(network: Network) -> str:
    """Hex digest of nodes, attributes, connections and shapes, without weights."""
    digest = hashlib.sha256()
    graph = network.model.graph
    for value in (*graph.inputs, *graph.outputs, *graph.initializers.values()):
        digest.update(f"{value.name}|{value.shape}|{value.dtype}\n".encode())
    for node in graph:
        names = [value.name if value is not None else "" for value in node.inputs]
        attributes = sorted(f"{key}={attr.value!r}" for key, attr in node.attributes.items())
        outputs = [value.name for value in node.outputs]
        digest.update(f"{node.op_type}|{names}|{outputs}|{attributes}\n".encode())
    return digest.hexdigest()[:16]


def weights_digest(network: Network) -> str:
    """Hex digest of every initializer's bytes."""
    digest = hashlib.sha256()
    for name, array in sorted(network.weights().items()):
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()[:16]
