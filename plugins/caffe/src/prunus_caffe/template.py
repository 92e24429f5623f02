"""A caffemodel without numbers, for networks that come without weights."""

from __future__ import annotations

from pathlib import Path

from prunus_caffe.caffemodel import LAYER_NAME, LAYER_TYPE, NET_LAYER, WeightFile, in_memory
from prunus_caffe.records.layers import NetRecord
from prunus_caffe.wire import bytes_field


def empty_weights(net: NetRecord) -> WeightFile:
    """Every layer of the network by name and type, without blobs."""
    content = bytes_field(1, net.name.encode())
    names: set[str] = set()
    for layer in net.layers:
        name = str(layer.params.name)  # two layers may share it
        if name not in names:
            names.add(name)
            inner = bytes_field(LAYER_NAME, name.encode())
            content += bytes_field(NET_LAYER, inner + bytes_field(LAYER_TYPE, layer.type.encode()))
    return in_memory(content, Path(f"{net.path} (random weights)"))
