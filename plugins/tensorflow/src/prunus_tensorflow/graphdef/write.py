"""Compact or masked network -> structure file and checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from prunus.plugin import Compact, Destination, ModelError, Network, Written, infer_shapes
from prunus_tensorflow.graphdef.attributes import attr
from prunus_tensorflow.graphdef.checkpoint import open_checkpoint
from prunus_tensorflow.graphdef.cuts import (
    Cut,
    find_cuts,
    find_slots,
    fit_holders,
    variable_shapes,
)
from prunus_tensorflow.graphdef.edits import copy_without, set_shape, set_tensor
from prunus_tensorflow.graphdef.freeze import freeze
from prunus_tensorflow.graphdef.inferred import InferredShapes
from prunus_tensorflow.graphdef.origin import GraphOrigin
from prunus_tensorflow.graphdef.read import content_of, parse
from prunus_tensorflow.graphdef.saver import save
from prunus_tensorflow.graphdef.surroundings import Surroundings, without_gradients
from prunus_tensorflow.graphdef.targets import TargetEditor, shape_change
from prunus_tensorflow.graphdef.text_edit import edit_text
from prunus_tensorflow.graphdef.view import GraphView, const_value, shape_attr

_SHAPES = "_output_shapes"


def write(network: Network, compact: Compact, destination: Destination) -> Written:
    """Write the graph in the form it was read, and its checkpoint.

    Options: ``frozen=yes`` adds ``<name>.frozen.pb`` with the weights inside;
    ``checkpoint`` names the checkpoint.

    Raises:
        ModelError: the graph cannot express the compact network (names the node).
    """
    origin = network.origin
    assert isinstance(origin, GraphOrigin)
    source = compact if destination.stage == "compact" else Compact(network.model, {})
    message = parse(origin.model, origin.kind, content_of(origin))
    graph = message.graph_def if origin.kind.startswith("meta") else message
    view = GraphView(graph)
    shapes = variable_shapes(view)
    cuts = fit_holders(
        find_cuts(network, source, origin), view, lambda name: _shape(view, shapes, name)
    )
    smaller = any(cut.smaller for cut in cuts.values())
    checkpoint = None if origin.checkpoint is None else open_checkpoint(Path(origin.checkpoint))
    slots = {} if checkpoint is None else find_slots(cuts, origin, view, checkpoint.shapes)
    heavy = {name for name, cut in cuts.items() if cut.smaller}
    new = copy_without(message, heavy)
    new_graph = new.graph_def if origin.kind.startswith("meta") else new
    _edit(_Change(origin, view, new_graph, cuts, slots, source), smaller)
    _check_accepted(origin, graph, new_graph)
    model = destination.directory / _model_name(origin, destination)
    model.write_bytes(_content(origin, message, new, graph, new_graph))
    others: list[Path] = []
    weights = None
    if checkpoint is not None:
        weights = destination.directory / _checkpoint_name(origin, destination)
        by_key = {
            origin.variables[node]: cut for node, cut in cuts.items() if node in origin.variables
        }
        others += save(checkpoint, {**slots, **by_key}, weights)
    if destination.options.get("frozen", "no").lower() in ("yes", "true", "1"):
        frozen = model.with_name(f"{model.stem}.frozen.pb")
        values = _values(new_graph, origin, weights)
        frozen.write_bytes(freeze(new_graph, values, origin).SerializeToString(deterministic=True))
        others.append(frozen)
    return Written(model, weights, tuple(others))


@attrs.frozen(eq=False)
class _Change:
    """Everything an edit needs.

    Attributes:
        origin: The original files.
        view: The old graph.
        graph: The new graph, edited in place.
        cuts: Native node -> new content.
        slots: Checkpoint name -> new content of optimizer slots.
        compact: The compact network.
    """

    origin: GraphOrigin
    view: GraphView
    graph: Any
    cuts: Mapping[str, Cut]
    slots: Mapping[str, Cut]
    compact: Compact


def _edit(change: _Change, smaller: bool) -> None:
    nodes = {node.name: node for node in change.graph.node}
    for name, cut in change.cuts.items():
        node = nodes[name]
        if node.op == "Const" and cut.array is not None:
            same = not cut.smaller and (const_value(node) == cut.array).all()
            if not same:
                set_tensor(node.attr["value"].tensor, cut.array)
    if not smaller:
        return
    origin = change.origin
    editor = TargetEditor(
        change.view, change.graph, nodes, shape_change(origin, infer_shapes(change.compact.model))
    )
    around = Surroundings(change.view, nodes, editor)
    by_key = {key: node for node, key in origin.variables.items()}
    variables = {name: cut for name, cut in change.cuts.items() if name in origin.variables}
    variables.update({by_key[key]: cut for key, cut in change.slots.items() if key in by_key})
    for name, cut in variables.items():
        if cut.smaller:
            around.variable(name, cut)
    for name, cut in change.cuts.items():
        if cut.smaller and name not in variables:
            around.reshapes(name, cut)
    editor.forward(origin, change.compact.model)
    before = InferredShapes(change.view.graph)
    if before.ready():
        around.gradients(before, InferredShapes(without_gradients(change.graph)))
        _refresh_shapes(change, before)


def _refresh_shapes(change: _Change, before: InferredShapes) -> None:
    """Bring ``_output_shapes`` up to date."""
    after = InferredShapes(change.graph)
    if not after.ready():
        return
    for node in change.graph.node:
        if _SHAPES not in node.attr:
            continue
        for index, proto in enumerate(node.attr[_SHAPES].list.shape):
            name = f"{node.name}:{index}"
            old, new, said = before.shape(name), after.shape(name), shape_attr(proto)
            if None in (old, new, said) or len(old) != len(said):  # type: ignore[arg-type]
                continue
            set_shape(
                proto,
                tuple(
                    n if o != n and s == o else s
                    for o, n, s in zip(old, new, said, strict=True)  # type: ignore[arg-type]
                ),
            )


def _check_accepted(origin: GraphOrigin, old: Any, new: Any) -> None:
    """Let TensorFlow check all of the written graph, recorded shapes included.

    An operator that this TensorFlow does not have is the user's own to load.

    Raises:
        ModelError: it does not take the graph; says so of the one that was read, if so.
    """
    after = InferredShapes(new, recorded=True)
    if not after.refused():
        return
    before = InferredShapes(old, recorded=True)
    which = "this graph" if not before.ready() else "the smaller graph"
    raise ModelError(f"{origin.model}: TensorFlow does not accept {which}: {after.problem}")


def _content(origin: GraphOrigin, message: Any, new: Any, graph: Any, new_graph: Any) -> bytes:
    if message == new:
        return content_of(origin)
    if origin.kind in ("text", "metatext"):
        text = content_of(origin).decode("utf-8")
        meta = origin.kind == "metatext"
        return edit_text(text, origin.model, graph, new_graph, meta).encode("utf-8")
    return bytes(new.SerializeToString(deterministic=True))


def _shape(
    view: GraphView, shapes: Mapping[str, tuple[int, ...] | None], name: str
) -> tuple[int, ...] | None:
    if name in shapes:
        return shapes[name]
    return shape_attr(attr(view.nodes[name], "value").tensor.tensor_shape)


def _model_name(origin: GraphOrigin, destination: Destination) -> str:
    """The original's name, or the one given, with the suffix that tells the kind."""
    name = destination.name or destination.original or origin.model.name
    return name if Path(name).suffix else name + origin.model.suffix


def _checkpoint_name(origin: GraphOrigin, destination: Destination) -> str:
    given = destination.options.get("checkpoint")
    return given or Path(origin.checkpoint or "model").name


def _values(graph: Any, origin: GraphOrigin, weights: Path | None) -> Mapping[str, Any]:
    """Variable node -> array, of the checkpoint just written."""
    if weights is None:
        return {}
    written = open_checkpoint(weights)
    return {
        node: written.array(key) for node, key in origin.variables.items() if key in written.shapes
    }
