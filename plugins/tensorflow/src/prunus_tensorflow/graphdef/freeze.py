"""Graph with its weights inside: variables become constants, the rest is left out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from prunus_tensorflow.graphdef.attributes import attr
from prunus_tensorflow.graphdef.names import is_control
from prunus_tensorflow.graphdef.origin import GraphOrigin
from prunus_tensorflow.graphdef.view import VARIABLES, GraphView


def freeze(graph: Any, values: Mapping[str, NDArray[Any]], origin: GraphOrigin) -> Any:
    """Frozen GraphDef of what the outputs need; control inputs are dropped.

    Args:
        graph: GraphDef with variables.
        values: Variable node -> array.
        origin: The ends of the graph.
    """
    from tensorflow.core.framework import graph_pb2
    from tensorflow.python.framework.tensor_util import make_tensor_proto

    view = GraphView(graph)
    wanted = set(view.sorted_from(origin.ends, frozenset()))
    frozen = graph_pb2.GraphDef()
    frozen.versions.CopyFrom(graph.versions)
    for node in graph.node:
        if node.name not in wanted:
            continue
        copy = frozen.node.add()
        if node.op in VARIABLES and node.name in values:
            copy.name, copy.op = node.name, "Const"
            copy.attr["dtype"].type = attr(node, "dtype").type
            copy.attr["value"].tensor.CopyFrom(make_tensor_proto(values[node.name]))
            continue
        copy.CopyFrom(node)
        del copy.input[:]
        copy.input.extend(one for one in node.input if not is_control(one))
        copy.attr.pop("_class", None)
        if node.op == "ReadVariableOp":
            copy.op = "Identity"
            kind = copy.attr["dtype"].type
            copy.attr.clear()
            copy.attr["T"].type = kind
    return frozen
