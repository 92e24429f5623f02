"""Structure file and checkpoint -> Network."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from prunus.plugin import ModelError, Network, Recipe, Source, Task, UsageError
from prunus_tensorflow.files import checkpoint_beside
from prunus_tensorflow.graphdef.attributes import attr
from prunus_tensorflow.graphdef.checkpoint import Checkpoint, open_checkpoint
from prunus_tensorflow.graphdef.inferred import InferredShapes
from prunus_tensorflow.graphdef.lower import Lowering, lower
from prunus_tensorflow.graphdef.names import split, tensor
from prunus_tensorflow.graphdef.origin import GraphOrigin
from prunus_tensorflow.graphdef.patterns import name_patterns
from prunus_tensorflow.graphdef.read import Structure, read_structure
from prunus_tensorflow.graphdef.select import Ends, choose_ends
from prunus_tensorflow.graphdef.steps import Steps, make_steps
from prunus_tensorflow.graphdef.view import VARIABLES, GraphView, shape_attr


@attrs.frozen(eq=False)
class _Weights:
    """Values of the variables, checked against the graph.

    Attributes:
        view: The graph.
        structure: Where it was read from.
        checkpoint: Its checkpoint, if one was given or found.
    """

    view: GraphView
    structure: Structure
    checkpoint: Checkpoint | None

    def __call__(self, name: str) -> NDArray[Any]:
        """Array of a variable node.

        Raises:
            ModelError: no checkpoint, or a missing or misshaped tensor in it.
        """
        path = self.structure.path
        if self.checkpoint is None:
            raise ModelError(
                f"{path}: variable '{name}' has its value in a checkpoint: give --weights"
            )
        key = self.view.variables[name]
        found = self.checkpoint.shapes.get(key)
        prefix = self.checkpoint.prefix
        if found is None:
            keys = self.view.variables.values()
            missing = sum(one not in self.checkpoint.shapes for one in keys)
            if 2 * missing > len(keys):
                raise ModelError(
                    f"{prefix}: {missing} of the {len(keys)} variables of {path} are missing: "
                    "it is the checkpoint of another graph"
                )
            raise ModelError(f"{prefix}: variable '{key}' of {path} is missing")
        wanted = shape_attr(attr(self.view.nodes[name], "shape").shape)
        if wanted is not None and -1 not in wanted and wanted != found:
            raise ModelError(
                f"{prefix}: variable '{key}' has shape {list(found)}, {path} says {list(wanted)}"
            )
        array = self.checkpoint.array(key)
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise ModelError(f"{prefix}: variable '{key}' holds values that are not finite")
        return array


def load(source: Source) -> Network:
    """Read a graph and its weights into the neutral graph.

    Options: ``input_nodes``, ``output_nodes`` (comma lists), ``input_node_shapes`` (as the
    legacy tool: ``1,32,32,1``, several separated by ``:`` or ``;``).

    Raises:
        ModelError: files missing, broken or not fitting each other; nothing to prune.
        UsageError: an option cannot be read.
    """
    structure = read_structure(source.model)
    digest = hashlib.sha256(structure.content or b"").hexdigest()
    view = GraphView(structure.graph)
    chosen, notes = make_steps(view, {})
    steps = name_patterns(chosen)
    checkpoint = _checkpoint(source, structure, view)
    if checkpoint is None and structure.kind == "binary":
        structure = attrs.evolve(structure, content=None)  # as large as the weights
    inferred = InferredShapes(structure.graph)
    if inferred.refused():
        raise ModelError(
            f"{source.model}: TensorFlow does not accept this graph: {inferred.problem}"
        )
    try:
        ends = choose_ends(steps, _names(source, "input_nodes"), _names(source, "output_nodes"))
        shapes = _input_shapes(source, ends, steps, inferred)
        weights = _Weights(view, structure, checkpoint)
        own = [_own_shape(steps, name, inferred) for name in ends.inputs]
        batches = frozenset(shape[0] for shape in own if shape and shape[0] > 0)
        lowering = lower(
            steps, view.variables, weights, inferred.shape, shapes, ends.outputs, batches
        )
    except ModelError as error:
        text = str(error)
        raise (
            error
            if text.startswith(str(source.model)) or _names_file(text, checkpoint)
            else ModelError(f"{source.model}: {text}")
        ) from error.__cause__
    return _network(source, structure, digest, view, checkpoint, shapes, ends, lowering, notes)


def _names_file(text: str, checkpoint: Checkpoint | None) -> bool:
    return checkpoint is not None and text.startswith(checkpoint.prefix)


def _network(
    source: Source,
    structure: Structure,
    digest: str,
    view: GraphView,
    checkpoint: Checkpoint | None,
    shapes: Mapping[str, tuple[int, ...]],
    ends: Ends,
    lowering: Lowering,
    notes: Sequence[str],
) -> Network:
    builder = lowering.builder
    origin = GraphOrigin(
        model=source.model,
        kind=structure.kind,
        digest=digest,
        content=structure.content,
        checkpoint=None if checkpoint is None else checkpoint.prefix,
        version=2 if checkpoint is None else checkpoint.version,
        positions=dict(builder.positions),
        variables=dict(view.variables),
        inputs={name: (-1, *shape[1:]) for name, shape in shapes.items()},
        outputs=lowering.outputs,
        ends=tuple(ends.outputs),
        tensors=dict(lowering.tensors),
    )
    return attrs.evolve(
        lowering.network,
        origin=origin,
        task=_task(lowering, bool(view.variables)),
        notes=(*notes, *ends.notes, *lowering.network.notes),
    )


def _task(lowering: Lowering, has_variables: bool) -> Task:
    """Training facts in the graph: its dropout, and constants that are no weights."""
    builder = lowering.builder
    dropout = {value.name or "": ratio for value, ratio in builder.dropout}
    fixed = {
        name: 0.0
        for name, position in builder.positions.items()
        if has_variables and position.holder.kind == "const"
    }
    if not dropout and not fixed:
        return Task()
    return Task(recipe=Recipe(dropout=dropout, lr_mult=fixed))


def _checkpoint(source: Source, structure: Structure, view: GraphView) -> Checkpoint | None:
    if not any(node.op in VARIABLES for node in structure.graph.node):
        if source.weights is not None and source.weights != source.model:
            raise ModelError(
                f"{source.model}: the graph has no variables (it is frozen), so it takes no "
                f"weights from {source.weights}"
            )
        return None
    if source.weights is not None:
        return open_checkpoint(source.weights)
    beside = checkpoint_beside(source.model) if structure.kind == "meta" else None
    return None if beside is None else open_checkpoint(beside)


def _names(source: Source, option: str) -> tuple[str, ...]:
    text = source.options.get(option, "")
    return tuple(tensor(part.strip()) for part in text.split(",") if part.strip())


def _input_shapes(
    source: Source, ends: Ends, steps: Steps, inferred: InferredShapes
) -> dict[str, tuple[int, ...]]:
    given = _given_shapes(source.options.get("input_node_shapes", ""))
    if given and len(given) != len(ends.inputs):
        raise UsageError(
            f"input_node_shapes has {len(given)} shapes for {len(ends.inputs)} inputs "
            f"({', '.join(ends.inputs)})"
        )
    shapes = {}
    for position, name in enumerate(ends.inputs):
        shape = given[position] if given else _own_shape(steps, name, inferred)
        if shape is None or -1 in shape[1:] or len(shape) < 2:
            raise ModelError(
                f"{source.model}: input '{name}' has no full shape in the graph: give "
                "input_node_shapes, such as 1,224,224,3"
            )
        shapes[name] = tuple(shape)
    return shapes


def _own_shape(steps: Steps, name: str, inferred: InferredShapes) -> tuple[int, ...] | None:
    node = steps[split(name)[0]].node
    if node.op.startswith("Placeholder") and "shape" in node.attr:
        return shape_attr(attr(node, "shape").shape)
    return inferred.shape(name)


def _given_shapes(text: str) -> list[tuple[int, ...]]:
    parts = [part for part in text.replace(";", ":").split(":") if part.strip()]
    try:
        return [tuple(int(n) for n in part.strip(" []").split(",")) for part in parts]
    except ValueError as error:
        raise UsageError(
            f"input_node_shapes '{text}' cannot be read: write 1,32,32,1, several with ':'"
        ) from error
