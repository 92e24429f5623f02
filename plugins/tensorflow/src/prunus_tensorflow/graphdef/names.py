"""Names in a GraphDef: ``node``, ``node:2`` (output 2) and ``^node`` (control input).

Source: tensorflow/core/framework/node_def.proto, field ``input``.
"""

from __future__ import annotations


def split(reference: str) -> tuple[str, int]:
    """``("conv", 0)`` of ``conv`` or ``conv:0``; a control input loses its caret."""
    reference = reference.removeprefix("^")
    node, colon, index = reference.rpartition(":")
    return (node, int(index)) if colon and index.isdigit() else (reference, 0)


def tensor(reference: str) -> str:
    """Canonical tensor name: ``conv`` for output 0, ``conv:1`` for others."""
    node, index = split(reference)
    return node if index == 0 else f"{node}:{index}"


def full(reference: str) -> str:
    """Name as a session wants it: ``conv:0`` of ``conv``."""
    node, index = split(reference)
    return f"{node}:{index}"


def is_control(reference: str) -> bool:
    """True for a control input."""
    return reference.startswith("^")
