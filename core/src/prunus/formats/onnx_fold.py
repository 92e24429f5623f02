"""Constant sub-graphs of exporters (Shape, Gather, Concat, Reshape …) become operands.

Values are computed for two batch sizes: what is equal is constant, what differs counts
samples and becomes "copy this axis" or "whatever is left" in the reshape that reads it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray
from onnx.reference import ReferenceEvaluator

from prunus.graph.shapes import Shapes, shapes_with

Array = NDArray[Any]
_LARGEST = 1 << 20
"""Elements of a folded constant; larger ones stay computed."""

_BATCHES = (1, 3)


def fold_constants(model: ir.Model, stretch: int = 1) -> None:
    """Fold in place until nothing changes.

    Args:
        model: The graph.
        stretch: Factor of sizes the file leaves open, for the larger batch: what differs with
            them stays computed.
    """
    while any(map(_starts, model.graph)):
        one, more = _BATCHES
        shapes = [static_shapes(model, one), static_shapes(model, more, stretch)]
        known: dict[str, tuple[Array, Array]] = {}
        changed = False
        for node in list(model.graph):
            values = [_evaluate(node, known, index, shapes[index]) for index in range(2)]
            if values[0] is None or values[1] is None:
                changed |= _follow_batch(model, node, known, shapes)
                continue
            for output, first, second in zip(node.outputs, values[0], values[1], strict=True):
                known[output.name or ""] = (first, second)
                if np.array_equal(first, second) and output.uses() and not output.is_graph_output():
                    _replace(model, output, first)
                    changed = True
        if not changed:
            return


def _starts(node: ir.Node) -> bool:
    """Whether something can be known of a node's outputs before anything is."""
    known = (value is None or value.const_value is not None for value in node.inputs)
    return node.op_type == "Shape" or all(known)


def _evaluate(
    node: ir.Node, known: Mapping[str, tuple[Array, Array]], batch: int, shapes: Shapes
) -> list[Array] | None:
    """Outputs of a node if all it needs is known; ``None`` otherwise."""
    if node.op_type == "Shape" and node.inputs[0] is not None:
        shape = shapes.get(node.inputs[0].name or "")
        if shape is None:
            return None
        start, end = node.attributes.get_int("start", 0), node.attributes.get_int("end", len(shape))
        return [np.array(shape[start:end], np.int64)]
    feeds: dict[str, Array] = {}
    for value in node.inputs:
        if value is None:
            continue
        name = value.name or ""
        if name in known:
            feeds[name] = known[name][batch]
        elif value.const_value is not None:
            feeds[name] = value.const_value.numpy()
        else:
            return None
    size = sum(
        int(np.prod(shapes.get(output.name or "", (_LARGEST + 1,)))) for output in node.outputs
    )
    # what only moves weights may be as large as they are
    if size > max(_LARGEST, sum(array.size for array in feeds.values())) or any(
        attr.type == ir.AttributeType.GRAPH for attr in node.attributes.values()
    ):
        return None
    try:
        return [np.asarray(a) for a in ReferenceEvaluator(ir.to_proto(node)).run(None, feeds)]
    except Exception:  # noqa: BLE001  an operator the evaluator lacks stays computed
        return None


def _follow_batch(
    model: ir.Model,
    node: ir.Node,
    known: Mapping[str, tuple[Array, Array]],
    shapes: Sequence[Shapes],
) -> bool:
    """Rewrite an operand that counts samples on one axis."""
    if node.op_type not in ("Reshape", "Expand") or len(node.inputs) < 2 or node.inputs[1] is None:
        return False
    pair = known.get(node.inputs[1].name or "")
    if pair is None or pair[0].shape != pair[1].shape:
        return False
    places = np.flatnonzero(pair[0] != pair[1])
    if len(places) != 1:
        return False
    (place,) = places.tolist()
    data = node.inputs[0].name or "" if node.inputs[0] is not None else ""
    axis = place + (len(shapes[0].get(data, ())) - len(pair[0]) if node.op_type == "Expand" else 0)
    before = [known_shapes.get(data, ())[axis : axis + 1] for known_shapes in shapes]
    rest = np.delete(pair[0], place)
    if axis >= 0 and before == [(size[place],) for size in pair]:
        free = 1 if node.op_type == "Expand" else 0
    elif node.op_type == "Expand":
        return place == 0 and _expand_by_input(model, node, pair, shapes)
    elif (rest > 0).all():
        free = -1  # the batch was folded into another axis, or comes out of one
    else:
        return False
    node.attributes.pop("allowzero", None)  # here 0 means "as in the data"
    set_operand(model, node, 1, np.insert(rest, place, free).astype(np.int64))
    return True


def _expand_by_input(
    model: ir.Model, node: ir.Node, pair: tuple[Array, Array], shapes: Sequence[Shapes]
) -> bool:
    """Samples are made: their number is read off a graph input, where shapes stay known."""
    name = f"{node.name}/target"
    measured = node.inputs[1] is not None and node.inputs[1].name == f"{name}/shape"
    known = measured or node.outputs[0].name in shapes[0]
    if known or (pair[0][0], pair[1][0]) != _BATCHES:
        return False
    rest = pair[0][1:].astype(np.int64)
    node.replace_input_with(1, measured_shape(model, node, model.graph.inputs[0], 1, rest, name))
    return True


def static_shapes(model: ir.Model, batch: int, stretch: int = 1) -> dict[str, tuple[int, ...]]:
    """Value name -> shape for a batch size, where it is known; open sizes times ``stretch``."""
    sizes = {}
    for value in model.graph.inputs:
        assert value.shape is not None
        free = value.meta.get("open", ())
        rest = tuple(
            size * stretch if axis in free else size
            for axis, size in enumerate(value.shape[1:], 1)
            if isinstance(size, int)
        )
        if len(rest) == len(value.shape[1:]):
            sizes[value.name or ""] = (batch, *rest)
    return shapes_with(model, sizes)


def measured_shape(
    model: ir.Model,
    node: ir.Node,
    data: ir.Value,
    count: int,
    rest: Array,
    name: str,
) -> ir.Value:
    """A shape computed before a node: the first ``count`` sizes of the data, then ``rest``."""
    head = first_sizes(model, node, data, (0, count), name)
    total = ir.Value(name=f"{name}/shape", type=ir.TensorType(ir.DataType.INT64))
    axis = ir.convenience.convert_attributes({"axis": 0})
    joined = ir.Node("", "Concat", [head, head], axis, name=f"{name}/shape", outputs=[total])
    set_operand(model, joined, 1, rest)
    model.graph.insert_before(node, joined)
    return total


def first_sizes(
    model: ir.Model, node: ir.Node, data: ir.Value, span: tuple[int, int], name: str
) -> ir.Value:
    """Sizes of some axes of the data, computed before a node.

    By a slice: OpenCV 4.13 does not know that Shape itself can take a part.
    """
    kind = ir.TensorType(ir.DataType.INT64)
    whole = ir.Value(name=f"{name}/sizes", type=kind)
    head = ir.Value(name=f"{name}/head", type=kind)
    shape = ir.Node("", "Shape", [data], name=f"{name}/sizes", outputs=[whole])
    part = ir.Node("", "Slice", [whole, None, None], name=f"{name}/head", outputs=[head])
    for position, end in enumerate(span, 1):
        set_operand(model, part, position, np.array([end], np.int64))
    model.graph.insert_before(node, [shape, part])
    return head


def state_split_sizes(model: ir.Model) -> None:
    """Give every Split into equal parts its sizes, in place: what is left of them may differ."""
    open_ = [
        node
        for node in model.graph
        if node.op_type == "Split" and (len(node.inputs) < 2 or node.inputs[1] is None)
    ]
    shapes = static_shapes(model, 1) if open_ else {}
    for node in open_:
        parts = [shapes.get(value.name or "") for value in node.outputs]
        axis = node.attributes.get_int("axis", 0)
        if all(parts):
            sizes = [part[axis] for part in parts if part is not None]
            node.attributes.pop("num_outputs", None)
            node.resize_inputs(2)
            set_operand(model, node, 1, np.array(sizes, np.int64))


def operand_of(node: ir.Node, index: int) -> Array | None:
    """Constant operand of a node, ``None`` if it is computed or absent."""
    value = node.inputs[index] if index < len(node.inputs) else None
    return None if value is None or value.const_value is None else value.const_value.numpy()


def set_operand(model: ir.Model, node: ir.Node, index: int, array: Array) -> None:
    """Give a node a constant operand of its own."""
    value = add_initializer(model, f"{node.name}/operand{index}", array)
    node.replace_input_with(index, value)


def _replace(model: ir.Model, output: ir.Value, array: Array) -> None:
    value = add_initializer(model, f"{output.name}/folded", array)
    for use in list(output.uses()):
        use.node.replace_input_with(use.idx, value)


def add_initializer(model: ir.Model, name: str, array: Array) -> ir.Value:
    """A new initializer; the name gets a mark until it is free."""
    while name in model.graph.initializers:
        name += "'"
    array = np.array(array, order="C")  # ascontiguousarray would give scalars an axis
    value = ir.Value(
        name=name,
        shape=ir.Shape(array.shape),
        type=ir.TensorType(ir.DataType.from_numpy(array.dtype)),
        const_value=ir.tensor(array, name=name),
    )
    model.graph.register_initializer(value)
    return value
