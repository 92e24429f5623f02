"""Inputs of a graph that samples feed, and the shape of one sample."""

from __future__ import annotations

import onnx_ir as ir


def sample_inputs(model: ir.Model) -> list[ir.Value]:
    """Graph inputs without the ones that are weights (files of IR version 3 list those too)."""
    graph = model.graph
    return [value for value in graph.inputs if value.name not in graph.initializers]


def sample_shape(value: ir.Value) -> tuple[int, ...]:
    """Shape of one sample of a graph input: all axes but the first."""
    assert value.shape is not None
    return tuple(int(str(size)) for size in value.shape[1:])
