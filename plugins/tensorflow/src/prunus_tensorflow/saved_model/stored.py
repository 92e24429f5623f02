"""The files of a SavedModel, parsed: nothing in them is run.

TensorFlow's own loader runs what the file asks for: initialisers, ``main_op``, restore functions.
Here a signature is a part of a graph, and variables are read from the checkpoint beside it.

Sources: tensorflow/core/protobuf/{saved_model,meta_graph,saved_object_graph,
trackable_object_graph}.proto; tensorflow/python/saved_model/load.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from prunus.plugin import ModelError
from prunus_tensorflow.error_text import first_line
from prunus_tensorflow.graphdef.attributes import attr
from prunus_tensorflow.graphdef.checkpoint import Checkpoint, open_checkpoint
from prunus_tensorflow.graphdef.names import split
from prunus_tensorflow.graphdef.signatures import check_nodes
from prunus_tensorflow.graphdef.view import VARIABLES, GraphView

_SERVING = "serve"
_INITIALISERS = "__saved_model_init_op"
_OBJECTS = "_CHECKPOINTABLE_OBJECT_GRAPH"
_VALUE = "VARIABLE_VALUE"


@attrs.frozen(eq=False, slots=False)
class StoredModel:
    """One SavedModel directory.

    Attributes:
        path: The directory.
        meta: Its MetaGraphDef for serving.
    """

    path: Path
    meta: Any

    @cached_property
    def view(self) -> GraphView:
        """The graph the signatures are parts of."""
        return GraphView(self.meta.graph_def)

    @cached_property
    def signatures(self) -> Mapping[str, Any]:
        """Name -> SignatureDef, those of initialisers left out."""
        found = self.meta.signature_def
        return {
            name: found[name]
            for name in sorted(found)
            if name != _INITIALISERS and found[name].outputs
        }

    @cached_property
    def _checkpoint(self) -> Checkpoint:
        return open_checkpoint(self.path / "variables" / "variables")

    def value(self, node: str) -> NDArray[Any]:
        """Array of a variable node.

        Raises:
            ModelError: the checkpoint does not hold it, or is damaged.
        """
        key = self._keys.get(node, "")
        if key not in self._checkpoint.shapes:
            raise ModelError(f"{self._checkpoint.prefix}: variable '{node}' is missing")
        return self._checkpoint.array(key)

    @cached_property
    def _keys(self) -> Mapping[str, str]:
        """Variable node -> its name in the checkpoint.

        TensorFlow 2 names what it stores by the way from the root object to a variable, and says
        which objects a function is bound to; TensorFlow 1 names it by the variable.
        """
        keys = dict(self.view.variables)
        if _OBJECTS not in self._checkpoint.shapes:
            return keys
        objects = self.meta.object_graph_def
        stored = _stored_objects(self._checkpoint)
        positions = dict(_pairs(objects.nodes, stored.nodes))
        for node, number in self._bound():
            for one in stored.nodes[positions[number]].attributes if number in positions else ():
                if one.name == _VALUE:
                    keys[node] = one.checkpoint_key
        return keys

    def _bound(self) -> Iterator[tuple[str, int]]:
        """Variable nodes with the object they stand for: the last inputs of a call are bound."""
        functions = self.meta.object_graph_def.concrete_functions
        for node in self.meta.graph_def.node:
            name = attr(node, "f").func.name
            if name not in functions:
                continue
            bound = functions[name].bound_inputs
            given = self.view.inputs(node)
            for reference, number in zip(reversed(given), reversed(bound), strict=False):
                source = split(self.view.source(reference))[0]
                if self.view.nodes[source].op in VARIABLES:
                    yield source, number

    def has_endpoint(self, name: str) -> bool:
        """True if the root object has a method of this name."""
        nodes = self.meta.object_graph_def.nodes
        children = nodes[0].children if nodes else ()
        return any(
            one.local_name == name
            and one.node_id < len(nodes)
            and nodes[one.node_id].WhichOneof("kind") == "function"
            for one in children
        )


def open_stored(path: Path) -> StoredModel:
    """Parse a SavedModel directory.

    Raises:
        ModelError: it is no SavedModel, damaged, or holds no graph for serving.
    """
    from google.protobuf import text_format
    from tensorflow.core.protobuf import saved_model_pb2

    message = saved_model_pb2.SavedModel()
    binary, text = path / "saved_model.pb", path / "saved_model.pbtxt"
    try:
        if binary.exists():
            message.ParseFromString(binary.read_bytes())
        else:
            text_format.Parse(text.read_text(encoding="utf-8"), message, allow_unknown_field=True)
    except (
        Exception
    ) as error:  # DecodeError, ParseError, UnicodeDecodeError, OSError, RecursionError
        raise ModelError(f"{path}: not a readable SavedModel: {first_line(error)}") from error
    graphs = list(message.meta_graphs)
    serving = [one for one in graphs if _SERVING in one.meta_info_def.tags] or graphs
    if len(serving) != 1:
        raise ModelError(f"{path}: holds {len(serving)} graphs for serving, one was expected")
    check_nodes(path, serving[0].graph_def)
    return StoredModel(path, serving[0])


def _stored_objects(checkpoint: Checkpoint) -> Any:
    from google.protobuf.message import DecodeError
    from tensorflow.core.protobuf import trackable_object_graph_pb2

    content = np.asarray(checkpoint.array(_OBJECTS)).reshape(-1)[0]
    try:
        return trackable_object_graph_pb2.TrackableObjectGraph.FromString(content)
    except (DecodeError, TypeError) as error:
        raise ModelError(f"{checkpoint.prefix}: the object graph in it is damaged") from error


def _pairs(left: Any, right: Any) -> Iterator[tuple[int, int]]:
    """Positions of the same object in both object graphs, by the names on the way from the root."""
    pending, seen = [(0, 0)], {0}
    while pending:
        here, there = pending.pop()
        if here >= len(left) or there >= len(right):
            continue
        yield here, there
        names = {one.local_name: one.node_id for one in right[there].children}
        for child in left[here].children:
            if child.local_name in names and child.node_id not in seen:
                seen.add(child.node_id)
                pending.append((child.node_id, names[child.local_name]))
