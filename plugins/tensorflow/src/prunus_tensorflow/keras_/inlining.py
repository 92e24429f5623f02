"""The function of a signature as one flat graph with its variables as constants."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prunus.errors import ModelError
from prunus_tensorflow.message import first_line
from prunus_tensorflow.quiet import quiet
from prunus_tensorflow.runtime import tensorflow

_KEPT_WHOLE = ("_XlaMustCompile", "_noinline")
"""Attributes that keep TensorFlow from inlining a call (tensorflow/core/framework/function.h)."""


def frozen(path: Path, function: Any) -> Any:
    """Lay a signature's function out as one graph.

    Args:
        path: The SavedModel, for messages.
        function: The concrete function.

    Raises:
        ModelError: TensorFlow cannot.
    """
    from tensorflow.python.framework.convert_to_constants import (
        convert_variables_to_constants_v2,
    )

    try:
        with quiet():
            found = convert_variables_to_constants_v2(function, lower_control_flow=False)
            if not any(_keeps_whole(node) for node in found.graph.as_graph_def().node):
                return found
            return convert_variables_to_constants_v2(_opened(found), lower_control_flow=False)
    except Exception as error:
        if "AssignVariableOp" in str(error):
            raise ModelError(
                f"{path}: its function changes a variable, as random layers (RandomFlip, …) do: "
                "export the model without them"
            ) from error
        raise ModelError(
            f"{path}: its function cannot be laid out as one graph: {first_line(error)}"
        ) from error


def _keeps_whole(node: Any) -> bool:
    return any(name in node.attr for name in _KEPT_WHOLE)


def _opened(function: Any) -> Any:
    """The same with calls that may be inlined: Keras compiles grouped convolutions apart.

    The functions get names of their own, since TensorFlow knows the old ones as they were.
    """
    tf = tensorflow()
    message = function.graph.as_graph_def()
    names = {one.signature.name: f"{one.signature.name}_opened" for one in message.library.function}
    nodes = [*message.node]
    for one in message.library.function:
        one.signature.name = names[one.signature.name]
        nodes += one.node_def
        for name in _KEPT_WHOLE:
            one.attr.pop(name, None)
    for node in nodes:
        for name in _KEPT_WHOLE:
            node.attr.pop(name, None)
        for value in node.attr.values():
            if value.HasField("func"):
                value.func.name = names.get(value.func.name, value.func.name)
    wrapped = tf.compat.v1.wrap_function(
        lambda: tf.graph_util.import_graph_def(message, name=""), []
    )
    ends = [
        [wrapped.graph.get_tensor_by_name(tensor.name) for tensor in tensors]
        for tensors in (function.inputs, function.outputs)
    ]
    return wrapped.prune(*ends)
