"""A graph with its variables made known again, so that TensorFlow can train it.

A GraphDef knows ops only. What Python calls a variable is four of them (variable, initial
value, ``Assign``, read), listed as ``VariableDef`` in the collections of a MetaGraphDef
(tensorflow/core/framework/variable.proto), from which ``import_meta_graph`` makes the Python
objects that an optimizer asks for.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import attrs

from prunus_tensorflow.graphdef.attributes import attr
from prunus_tensorflow.graphdef.names import full, split
from prunus_tensorflow.graphdef.view import VARIABLES, GraphView

OWN = "prunus"
"""Scope of the nodes added here; nothing of this graph is written to the user's files."""


def trainable(message: Any, constants: Collection[str], learned: Collection[str]) -> Any:
    """MetaGraphDef of a GraphDef or MetaGraphDef with its variables listed.

    Args:
        message: What was read from a structure file.
        constants: Float Consts to turn into variables (the weights of a frozen graph).
        learned: Nodes whose variables are trainable.
    """
    from tensorflow.core.protobuf import meta_graph_pb2

    meta = meta_graph_pb2.MetaGraphDef()
    if message.DESCRIPTOR.name == "MetaGraphDef":
        meta.CopyFrom(message)
    else:
        meta.graph_def.CopyFrom(message)
    for node in list(meta.graph_def.node):
        if node.name in constants:
            _thaw(meta.graph_def, node)
    _list_variables(meta, learned)
    return meta


def handle_of(constant: str) -> str:
    """Variable node that a Const turns into."""
    return f"{OWN}/{constant}"


def _thaw(graph: Any, node: Any) -> None:
    """Const -> read of a new resource variable, under the Const's name."""
    kind, tensor = node.attr["dtype"].type, node.attr["value"].tensor
    handle = graph.node.add(name=handle_of(node.name), op="VarHandleOp", device=node.device)
    handle.attr["dtype"].type = kind
    handle.attr["shape"].shape.CopyFrom(tensor.tensor_shape)
    handle.attr["shared_name"].s = handle.name.encode()
    node.op = "ReadVariableOp"
    node.attr.clear()
    node.attr["dtype"].type = kind
    node.input.insert(0, handle.name)


def _list_variables(meta: Any, learned: Collection[str]) -> None:
    from tensorflow.core.framework import variable_pb2

    graph = meta.graph_def
    view = GraphView(graph)
    nodes = [node for node in view.graph.node if node.op in VARIABLES]
    trained = {*learned, *map(handle_of, learned)}
    listed: dict[str, list[bytes]] = {"variables": [], "trainable_variables": []}
    for node in nodes:
        parts = _Parts(graph, view, node)
        assign = parts.assign()
        definition = variable_pb2.VariableDef(
            variable_name=f"{node.name}:0",
            initial_value_name=full(assign.input[1]),
            initializer_name=assign.name,
            snapshot_name=f"{parts.read()}:0",
            is_resource=node.op == "VarHandleOp",
            trainable=node.name in trained,
        )
        listed["variables"].append(definition.SerializeToString())
        if node.name in trained:
            listed["trainable_variables"].append(definition.SerializeToString())
    for name, definitions in listed.items():
        meta.collection_def[name].Clear()
        meta.collection_def[name].bytes_list.value.extend(definitions)


def listed_variables(meta: Any) -> list[Any]:
    """The VariableDefs of a MetaGraphDef made by `trainable`."""
    from tensorflow.core.framework import variable_pb2

    content = meta.collection_def["variables"].bytes_list.value
    return [variable_pb2.VariableDef.FromString(one) for one in content]


@attrs.frozen
class _Parts:
    """The ops around one variable; those a stripped graph lacks are added."""

    graph: Any
    view: GraphView
    node: Any

    def assign(self) -> Any:
        """The op that gives the initial value, not the one that restores a checkpoint."""
        for name in self.view.readers[self.node.name]:
            found = self.view.nodes[name]
            if found.op not in ("Assign", "AssignVariableOp"):
                continue
            target, value = self.view.inputs(found)[:2]
            restores = self.view.producer(self.view.source(value)).op.startswith("Restore")
            if split(target)[0] == self.node.name and not restores:
                return found
        return self._assign_fed()

    def _assign_fed(self) -> Any:
        kind = attr(self.node, "dtype").type
        scope = f"{OWN}/{self.node.name}".replace(f"{OWN}/{OWN}/", f"{OWN}/")
        value = self.graph.node.add(name=f"{scope}/value", op="Placeholder")
        value.attr["dtype"].type = kind
        value.attr["shape"].shape.CopyFrom(attr(self.node, "shape").shape)
        resource = self.node.op == "VarHandleOp"
        op = "AssignVariableOp" if resource else "Assign"
        assign = self.graph.node.add(name=f"{scope}/assign", op=op, device=self.node.device)
        assign.input.extend([self.node.name, value.name])
        assign.attr["dtype" if resource else "T"].type = kind
        if not resource:
            assign.attr["validate_shape"].b = True
            assign.attr["_class"].list.s.append(f"loc:@{self.node.name}".encode())
        return assign

    def read(self) -> str:
        """Node that hands the value on."""
        resource = self.node.op == "VarHandleOp"
        op = "ReadVariableOp" if resource else "Identity"
        for name in self.view.readers[self.node.name]:
            if self.view.nodes[name].op == op:
                return name
        kind = attr(self.node, "dtype").type
        read = self.graph.node.add(name=f"{OWN}/{self.node.name}/read", op=op)
        read.input.append(self.node.name)
        read.attr["dtype" if resource else "T"].type = kind
        return str(read.name)
