"""Memory of graphs that are not used any more."""

from __future__ import annotations

import gc

import onnx_ir as ir

_SMALL = 1 << 25
"""Bytes of weights that may wait for Python's own collection, which takes its time in a process
that holds many objects: 0.1 to 0.5 s."""


def collect_copies(model: ir.Model) -> None:
    """Free copies of a graph that nobody uses; call it after the last name of one is gone.

    Graphs are full of cycles: the weights of each copy would stay until Python collects them.

    Args:
        model: One as large as the copies.
    """
    stored = (value.const_value for value in model.graph.initializers.values())
    if sum(tensor.nbytes for tensor in stored if tensor is not None) > _SMALL:
        gc.collect()
