"""Shapes as TensorFlow itself infers them."""

from __future__ import annotations

from typing import Any

import attrs

from prunus_tensorflow.runtime import tensorflow

_SHAPES = "_output_shapes"


@attrs.define(eq=False)
class InferredShapes:
    """Tensor shapes of a graph, inferred when first asked for.

    Attributes:
        graph: The GraphDef; stale ``_output_shapes`` in it do not matter.
        problem: TensorFlow's complaint, if it does not take the graph.
    """

    graph: Any
    problem: str | None = None
    _imported: Any = None
    _done: bool = False

    def ready(self) -> bool:
        """Import the graph; False if TensorFlow refuses it (unknown ops, inconsistent shapes)."""
        if self._done:
            return self.problem is None
        self._done = True
        tf = tensorflow()
        copy = type(self.graph)()
        copy.CopyFrom(self.graph)
        for node in copy.node:
            if _SHAPES in node.attr:
                del node.attr[_SHAPES]
        graph = tf.Graph()
        try:
            with graph.as_default():
                tf.graph_util.import_graph_def(copy, name="")
        except Exception as error:  # noqa: BLE001 - any refusal counts, of whatever type
            self.problem = (str(error).strip() or type(error).__name__).splitlines()[0]
            return False
        self._imported = graph
        return True

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
