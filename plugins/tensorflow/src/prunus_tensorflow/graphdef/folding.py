"""Constant parts of a graph, which TensorFlow computes while it only reads the graph.

Shape inference runs operators of constant inputs at once: a file may so be read or written, and
any amount of memory be taken, before anybody asked for a result. It does so only where an
operator has a kernel for the processor; a kernel label that nobody has registered (``_kernel``)
keeps a node as it is, and its shapes are inferred all the same.

Source: tensorflow/core/common_runtime/{eval_const_tensor,shape_refiner}.cc.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

from prunus.plugin import ModelError
from prunus_tensorflow.graphdef.executed import called, computes
from prunus_tensorflow.graphdef.names import split
from prunus_tensorflow.graphdef.view import GraphView

_LABEL = "_kernel"
_OWN = b"prunus"
_MOST = 65536
"""Numbers that a part may make to be computed."""
_RANK = 16
"""More axes than any shape has."""


# Arithmetic on shapes -> the most numbers it makes of inputs of such sizes.
_LARGEST: dict[str, Callable[[Sequence[int]], int]] = {
    **dict.fromkeys(("Rank", "Size"), lambda sizes: 1),
    **dict.fromkeys(("Shape", "ShapeN"), lambda sizes: _RANK),
    **dict.fromkeys(
        "Identity Cast Neg Reshape ExpandDims Squeeze Slice StridedSlice Split SplitV Unpack Prod "
        "Sum Max Min".split(),
        lambda sizes: max(sizes, default=1),
    ),
    **dict.fromkeys(("Pack", "ConcatV2", "Concat"), sum),
    **dict.fromkeys(
        "Add AddV2 Sub Mul Div RealDiv FloorDiv FloorMod Maximum Minimum Gather GatherV2".split(),
        prod,
    ),
}


def without_folding(graph: Any) -> None:
    """Let TensorFlow compute nothing but small arithmetic on shapes; edits a GraphDef in place."""
    view = GraphView(graph)
    sizes: dict[str, int] = {}
    for name in view.sorted_from(view.nodes, frozenset(), control=True):
        node = view.nodes[name]
        if node.op == "Const":
            shape = node.attr["value"].tensor.tensor_shape
            sizes[name] = prod(one.size for one in shape.dim)
            continue
        read = [sizes.get(split(one)[0], _MOST + 1) for one in node.input]
        largest = _LARGEST[node.op](read) if node.op in _LARGEST else _MOST + 1
        sizes[name] = largest
        if largest > _MOST and node.op != "Placeholder":
            _mark(node)
    for function in graph.library.function:
        for node in function.node_def:
            if node.op != "Const":
                _mark(node)


def with_folding(graph: Any) -> None:
    """Take back what `without_folding` marked; edits a GraphDef in place."""
    bodies = (function.node_def for function in graph.library.function)
    for node in (node for body in (graph.node, *bodies) for node in body):
        if _LABEL in node.attr and node.attr[_LABEL].s == _OWN:
            del node.attr[_LABEL]


def unmarked(text: str) -> str:
    """A message of TensorFlow without the mark of `without_folding`."""
    return text.replace(f'{_LABEL}="{_OWN.decode()}", ', "")


def refuse_folded_effects(graph: Any) -> None:
    """Refuse a graph that does more than compute while TensorFlow reads it.

    Raises:
        ModelError: names the node.
    """
    view = GraphView(graph)
    free: set[str] = set()
    for name in view.sorted_from(view.nodes, frozenset(), control=True):
        node = view.nodes[name]
        if not all(split(one)[0] in free for one in view.inputs(node)) or _stays(node):
            continue
        free.add(name)
        if not all(computes(one.op) for one in called([node], graph.library)):
            raise ModelError(
                f"node '{name}' of type '{node.op}' does more than compute (files, network, Python "
                "or the process) and would run while the graph is read: leave it out of the graph"
            )


def _stays(node: Any) -> bool:
    """True for a node whose value is never known beforehand."""
    from tensorflow.python.framework import op_def_registry

    known = op_def_registry.get(node.op)
    return node.op in ("Placeholder", "PlaceholderWithDefault") or (
        known is not None and known.is_stateful
    )


def _mark(node: Any) -> None:
    if _LABEL not in node.attr:
        node.attr[_LABEL].s = _OWN
