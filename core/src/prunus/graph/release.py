"""Memory of graphs that are not used any more."""

from __future__ import annotations

import ctypes
import gc

import onnx_ir as ir

from prunus.graph.parameters import weight_bytes

_SMALL = 1 << 25
"""Bytes of weights that may wait for Python's own collection, which takes its time in a process
that holds many objects: 0.1 to 0.5 s."""


def collect_copies(model: ir.Model) -> None:
    """Free copies of a graph that nobody uses; call it after the last name of one is gone.

    Graphs are full of cycles: the weights of each copy would stay until Python collects them.

    Args:
        model: One as large as the copies.
    """
    if is_large(model):
        gc.collect()
        return_memory(model)


def return_memory(model: ir.Model) -> None:
    """Return freed memory to the system; the C library may keep hundreds of megabytes of it.

    Its allocator serves blocks of up to 32 MB, such as activations, from a heap that shrinks at
    its end only. Nothing happens beside small graphs, or with another C library than glibc.

    Args:
        model: One as large as those at work.
    """
    trim = getattr(ctypes.pythonapi, "malloc_trim", None)
    if trim is not None and is_large(model):
        trim(ctypes.c_size_t(0))


def is_large(model: ir.Model) -> bool:
    """Whether copies of a graph's weights are worth a collection."""
    return weight_bytes(model) > _SMALL
