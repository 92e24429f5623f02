"""ONNX files: in one part where a file can hold it, and such that every program reads them."""

from __future__ import annotations

from pathlib import Path

import onnx_ir as ir

from prunus.graph.parameters import weight_bytes
from prunus.graph.shapes import infer_shapes, typed
from prunus.network import Written

_LARGEST = 2**31 - 2**24
"""Bytes of weights one protobuf file can hold, room for the structure left."""


def save_onnx(model: ir.Model, path: Path) -> Written:
    """Write a graph; weights that one file cannot hold go into ``<name>.data`` beside it."""
    if weight_bytes(model) <= _LARGEST:
        ir.save(model, path)
        return Written(path, None)
    data = path.with_name(f"{path.name}.data")
    ir.save(model, path, external_data=data.name)
    return Written(path, None, (data,))


def save_standalone(model: ir.Model, path: Path, *, single: bool = False) -> Written:
    """Write a neutral graph for other programs: every output has a shape.

    Lines about other values (``value_info`` of onnx.proto) are left out: a program that reads them
    refuses one without a shape, and finds all shapes itself.

    Args:
        model: The graph.
        path: File to write.
        single: For one sample: the batch is 1, where the graph leaves it open.
    """
    changed = _single(typed(model)) if single else typed(model)
    shapes = infer_shapes(changed)
    for value in changed.graph.outputs:
        known = shapes.get(value.name or "")
        if known is not None and (single or value.shape is None):
            value.shape = ir.Shape(known if single else ("N", *known[1:]))
    outputs = {value.name for value in changed.graph.outputs}
    for node in changed.graph:
        for value in node.outputs:
            if value.name not in outputs:
                value.shape, value.type = None, None
    return save_onnx(changed, path)


def _single(model: ir.Model) -> ir.Model:
    """The same graph with a batch of one, changed in place."""
    for value in model.graph.inputs:
        if value.shape is not None and len(value.shape) and not isinstance(value.shape[0], int):
            value.shape = ir.Shape((1, *value.shape[1:]))
    return model
