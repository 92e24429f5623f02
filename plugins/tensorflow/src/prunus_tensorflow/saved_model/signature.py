"""One signature of a SavedModel as a function over variables of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from prunus.plugin import ModelError
from prunus_tensorflow.error_text import first_line
from prunus_tensorflow.graphdef.attributes import attr
from prunus_tensorflow.graphdef.folding import without_folding
from prunus_tensorflow.graphdef.names import full, is_control, split, tensor
from prunus_tensorflow.graphdef.view import VARIABLES
from prunus_tensorflow.quiet import quiet
from prunus_tensorflow.runtime import tensorflow
from prunus_tensorflow.saved_model.library import open_functions
from prunus_tensorflow.saved_model.stored import StoredModel

SCOPE = "prunus"
"""Graphs of files lie in a scope of their own, apart from what is put around them."""


@attrs.frozen(eq=False)
class Signature:
    """A signature that can be laid out.

    Attributes:
        specs: Argument -> its ``tf.TensorSpec``.
        outputs: Results in the order of the function's outputs.
        function: Concrete function; its variables are bound, none of its operations has run.
        variables: The variables it reads.
    """

    specs: Mapping[str, Any]
    outputs: tuple[str, ...]
    function: Any
    variables: tuple[Any, ...]


def signature_of(stored: StoredModel, name: str) -> Signature:
    """The part of the graph that one signature needs.

    Raises:
        ModelError: a variable is missing, or TensorFlow does not take the graph.
    """
    tf = tensorflow()
    definition = stored.signatures[name]
    specs = specs_of(definition)
    fed = {tensor(definition.inputs[one].name): one for one in specs}
    results = {key: tensor(definition.outputs[key].name) for key in sorted(definition.outputs)}
    part, variables = _part(stored, list(results.values()), frozenset(fed))
    read = {tensor(one) for node in part.node for one in node.input}
    try:
        with quiet():
            return _bound(tf, part, variables, specs, fed, results, read)
    except Exception as error:
        raise ModelError(
            f"{stored.path}: signature '{name}' cannot be built: {first_line(error)}"
        ) from error


def specs_of(definition: Any) -> dict[str, Any]:
    """Argument -> ``tf.TensorSpec`` of a SignatureDef, in the order of names."""
    tf = tensorflow()
    return {
        name: tf.TensorSpec(
            tf.TensorShape(definition.inputs[name].tensor_shape),
            tf.dtypes.as_dtype(definition.inputs[name].dtype),
            name=name,
        )
        for name in sorted(definition.inputs)
    }


def _bound(
    tf: Any,
    part: Any,
    variables: Mapping[str, Any],
    specs: Mapping[str, Any],
    fed: Mapping[str, str],
    results: Mapping[str, str],
    read: set[str],
) -> Signature:
    kept: dict[str, Any] = {}

    def build() -> None:
        positions = {
            name: tf.compat.v1.placeholder(spec.dtype, spec.shape, name=name)
            for name, spec in specs.items()
        }
        values = {full(one): positions[name] for one, name in fed.items() if one in read}
        kept.update({f"in:{name}": position for name, position in positions.items()})
        for node, (variable, is_handle) in variables.items():
            value = variable.read_value()
            handle = tf.compat.v1.get_default_graph().capture(variable.handle)
            values[full(node)] = handle if is_handle else value
        found = tf.graph_util.import_graph_def(
            part,
            input_map=values,
            name=SCOPE,
            return_elements=[full(one) for one in results.values()],
        )
        kept.update(dict(zip(results, found, strict=True)))

    wrapped = tf.compat.v1.wrap_function(build, [])
    function = wrapped.prune(
        [kept[f"in:{name}"] for name in specs], {key: kept[key] for key in results}
    )
    return Signature(
        specs, tuple(results), function, tuple(variable for variable, _ in variables.values())
    )


def _part(
    stored: StoredModel, results: list[str], fed: frozenset[str]
) -> tuple[Any, dict[str, tuple[Any, bool]]]:
    """The nodes between inputs and results without control inputs, and variables by node."""
    tf = tensorflow()
    view = stored.view
    part = type(stored.meta.graph_def)()
    part.versions.CopyFrom(stored.meta.graph_def.versions)
    part.library.CopyFrom(stored.meta.graph_def.library)
    variables: dict[str, tuple[Any, bool]] = {}
    for name in view.sorted_from(results, fed):
        node = view.nodes[name]
        if node.op in VARIABLES:
            shared = attr(node, "shared_name").s.decode(errors="replace")
            variable = tf.Variable(stored.value(name), name=_scoped(shared or name))
            variables[name] = (variable, node.op == "VarHandleOp")
            continue
        copy = part.node.add()
        copy.CopyFrom(node)
        copy.input[:] = [one for one in node.input if not is_control(one)]
        copy.attr.pop("_class", None)
    open_functions(part)
    without_folding(part)
    return part, variables


def _scoped(name: str) -> str:
    """A variable's name as TensorFlow takes it again."""
    return split(name)[0]
