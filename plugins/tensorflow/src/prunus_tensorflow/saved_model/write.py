"""Compact or masked network -> SavedModel with the signatures of the original."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import attrs

from prunus.plugin import Compact, Destination, ModelError, Network, Written
from prunus_tensorflow import graphdef
from prunus_tensorflow.error_text import first_line
from prunus_tensorflow.quiet import quiet
from prunus_tensorflow.runtime import tensorflow
from prunus_tensorflow.saved_model.origin import SavedModelOrigin
from prunus_tensorflow.saved_model.signature import SCOPE


def write(network: Network, compact: Compact, destination: Destination) -> Written:
    """Write a SavedModel with the same signatures over the smaller graph.

    Raises:
        ModelError: the graph cannot express the compact network, or cannot be saved.
    """
    origin = network.origin
    assert isinstance(origin, SavedModelOrigin)
    tf = tensorflow()
    target = destination.directory / (destination.name or destination.original or origin.path.name)
    with tempfile.TemporaryDirectory(dir=destination.directory) as text:
        inner = attrs.evolve(network, origin=origin.graph)
        inside = Destination(Path(text), destination.stage, "graph.pb")
        written = graphdef.write(inner, compact, inside)
        message = tf.compat.v1.GraphDef.FromString(written.model.read_bytes())
    try:
        with quiet():
            module = _module(tf, message, origin)
            signatures = {origin.signature: module.run}
            signatures |= dict.fromkeys(origin.aliases, module.run)
            tf.saved_model.save(module, str(target), signatures=signatures)
    except Exception as error:
        raise ModelError(f"{target}: cannot be saved: {first_line(error)}") from error
    return Written(target, None)


def _module(tf: Any, message: Any, origin: SavedModelOrigin) -> Any:
    """An object with variables, the signature function, and ``serve`` where it was."""
    constants = {node.name: node for node in message.node if node.op == "Const"}
    module = tf.Module()
    module.kept = {}
    for node, name in origin.variables.items():
        if node in constants:
            value = tf.make_ndarray(constants[node].attr["value"].tensor)
            module.kept[node] = tf.Variable(value, name=name)

    for node in message.node:
        # gradients of the old sizes; the plain ones of the operators replace them
        node.attr.pop("_gradient_op_type", None)

    def build() -> None:
        values = {f"{node}:0": variable.read_value() for node, variable in module.kept.items()}
        tf.graph_util.import_graph_def(message, input_map=values, name=SCOPE)

    wrapped = tf.compat.v1.wrap_function(build, [])
    graph = wrapped.graph
    fetches = {
        key: graph.get_tensor_by_name(_imported(name)) for key, name in origin.outputs.items()
    }
    feeds = [graph.get_tensor_by_name(_imported(name)) for name in origin.inputs.values()]
    pruned = wrapped.prune(feeds, fetches)
    specs = [
        tf.TensorSpec(spec.shape, spec.dtype, name=argument)
        for argument, spec in origin.specs.items()
    ]

    @tf.function(input_signature=specs)  # type: ignore[untyped-decorator]
    def run(*arguments: Any) -> Any:
        return pruned(*arguments)

    module.run = run
    if origin.endpoint:
        (key,) = origin.outputs

        @tf.function(input_signature=specs)  # type: ignore[untyped-decorator]
        def serve(*arguments: Any) -> Any:
            return pruned(*arguments)[key]

        module.serve = serve
    return module


def _imported(name: str) -> str:
    return f"{SCOPE}/{name}" if ":" in name else f"{SCOPE}/{name}:0"
