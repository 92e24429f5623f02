"""Shapes as TensorFlow itself infers them."""

from __future__ import annotations

from math import prod
from typing import Any

import attrs

from prunus_tensorflow.error_text import first_line
from prunus_tensorflow.graphdef.attributes import attr
from prunus_tensorflow.graphdef.folding import unmarked, without_folding
from prunus_tensorflow.runtime import tensorflow

_SHAPES = "_output_shapes"
# Bytes above which a Const cannot be a shape, so that its value does not matter here.
_LARGE = 4096


@attrs.define(eq=False)
class InferredShapes:
    """Tensor shapes of a graph, inferred when first asked for.

    Attributes:
        graph: The GraphDef.
        recorded: Check the ``_output_shapes`` recorded in it; stale ones do not matter otherwise.
        problem: TensorFlow's complaint, if it does not take the graph.
    """

    graph: Any
    recorded: bool = False
    problem: str | None = None
    _imported: Any = None
    _done: bool = False

    def ready(self) -> bool:
        """Import the graph; False if TensorFlow refuses it (unknown ops, inconsistent shapes)."""
        if self._done:
            return self.problem is None
        self._done = True
        tf = tensorflow()
        graph = tf.Graph()
        try:
            with graph.as_default():
                tf.graph_util.import_graph_def(_light(self.graph, self.recorded), name="")
        except Exception as error:  # noqa: BLE001 - any refusal counts, of whatever type
            self.problem = unmarked(first_line(error))
            return False
        self._imported = graph
        return True

    def refused(self) -> bool:
        """True if TensorFlow refuses it, other than for an operator that only its user has."""
        return not self.ready() and "not registered" not in (self.problem or "")

    def shape(self, name: str) -> tuple[int, ...] | None:
        """Shape of a tensor, -1 for unknown dimensions; ``None`` if the rank is unknown."""
        if not self.ready():
            return None
        try:
            shape = self._imported.get_tensor_by_name(name if ":" in name else f"{name}:0").shape
        except (KeyError, ValueError):
            return None
        if shape.rank is None:
            return None
        return tuple(-1 if size is None else int(size) for size in shape.as_list())


def _light(graph: Any, recorded: bool) -> Any:
    """Copy for shape inference: weights are placeholders; with or without recorded shapes."""
    copy = type(graph)()
    copy.versions.CopyFrom(graph.versions)
    copy.library.CopyFrom(graph.library)
    for node in graph.node:
        tensor = attr(node, "value").tensor if node.op == "Const" else None
        if tensor is not None and _is_large(tensor):
            light = copy.node.add(name=node.name, op="Placeholder", input=node.input)
            light.attr["dtype"].type = tensor.dtype
            light.attr["shape"].shape.CopyFrom(tensor.tensor_shape)
            if recorded and _SHAPES in node.attr:
                light.attr[_SHAPES].CopyFrom(node.attr[_SHAPES])
            continue
        whole = copy.node.add()
        whole.CopyFrom(node)
        if not recorded and _SHAPES in whole.attr:
            del whole.attr[_SHAPES]
    without_folding(copy)
    return copy


def _is_large(tensor: Any) -> bool:
    count = prod(one.size for one in tensor.tensor_shape.dim)
    return bool(tensor.tensor_shape.dim) and max(tensor.ByteSize(), count) > _LARGE
