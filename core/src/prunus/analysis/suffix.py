"""The part of a graph behind a group, with masks as inputs.

Masking a group changes nothing before the weights that read it. What comes before
is computed once and handed in as inputs; what comes behind runs with a mask and an
offset, once a ratio.
"""

from __future__ import annotations

from collections.abc import Iterable

import attrs
import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from prunus.evaluation.session import drop_unused
from prunus.graph.reading import reads
from prunus.grouping.find import Grouping
from prunus.groups import Group


@attrs.frozen(eq=False)
class Suffix:
    """A graph behind a group.

    Attributes:
        model: The graph; inputs are boundary values, given values, masks and offsets.
        boundary: Values of the original graph it needs as they are.
        given: Outputs of direct consumers, computed outside for every trial.
        masked: Values that are masked inside, and removed channels replaced.
        zeroed: Operands of products that sum over the group's channels, masked inside.
        outputs: Graph outputs that depend on the group.
    """

    model: ir.Model
    boundary: tuple[str, ...]
    given: tuple[str, ...]
    masked: tuple[str, ...]
    zeroed: tuple[str, ...]
    outputs: tuple[str, ...]


def given_input(value: str) -> str:
    """Graph input holding a consumer's output, one part a trial."""
    return f"given:{value}"


def mask_input(value: str) -> str:
    """Graph input holding the 0/1 mask of a value."""
    return f"mask:{value}"


def offset_input(value: str) -> str:
    """Graph input holding the values that replace masked channels."""
    return f"offset:{value}"


def consumers(grouping: Grouping, group: Group) -> list[str]:
    """Names of the nodes whose weights read channels of the group."""
    holds = grouping.holds(group.name)
    found = []
    for record in grouping.labelling.records:
        if record.role == "input" and holds[record.labels].any():
            found.append(record.node)
    return list(dict.fromkeys(found))


def products(grouping: Grouping, group: Group) -> list[str]:
    """Names of the nodes that sum over channels of the group without a weight."""
    holds = grouping.holds(group.name)
    return [found.node for found in grouping.labelling.contractions if holds[found.labels].any()]


def cut_behind(
    model: ir.Model, grouping: Grouping, group: Group, direct: frozenset[str] = frozenset()
) -> Suffix:
    """The part of the graph that depends on a group.

    Args:
        model: The whole graph.
        grouping: Its groups.
        group: The group.
        direct: Consumers whose outputs are given from outside; the others read masks.
    """
    changed, masked, zeroed = insert_masks(model, grouping, group, direct)
    given = _give_outputs(changed, direct)
    return _suffix(changed, given, masked, zeroed)


def insert_masks(
    model: ir.Model, grouping: Grouping, group: Group, skip: frozenset[str] = frozenset()
) -> tuple[ir.Model, tuple[str, ...], tuple[str, ...]]:
    """The whole graph with masks before all that reads the group's channels.

    Returns:
        The graph, the values masked before weights, and those masked before products. What a
        product loses, no constant makes good.
    """
    changed = model.clone()
    nodes = {node.name: node for node in changed.graph}
    reading = [name for name in consumers(grouping, group) if name not in skip]
    found: dict[str, ir.Value] = {}
    before: list[tuple[str, ...]] = []
    for names, offset in ((reading, True), (products(grouping, group), False)):
        known = len(found)
        for name in names:
            data = nodes[name].inputs[0]
            assert data is not None
            if data.name not in found:
                found[data.name or ""] = _insert_mask(changed, data, grouping, offset=offset)
            nodes[name].replace_input_with(0, found[data.name or ""])
        before.append(tuple(found)[known:])
    return changed, before[0], before[1]


def keep_tensor(
    grouping: Grouping, group: Group, value: str, keep: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Mask of a value, broadcastable to it: 0 on removed units."""
    kept = grouping.kept_channel_ids({group.name: keep})
    return kept[grouping.labelling.values[value]].astype(np.float32)


def _insert_mask(model: ir.Model, data: ir.Value, grouping: Grouping, *, offset: bool) -> ir.Value:
    name = data.name or ""
    product = ir.node("Mul", [data, _probe(model, mask_input(name), name, grouping)])
    product.name, product.outputs[0].name = f"mask:{name}/mul", f"masked:{name}/product"
    made = [product]
    if offset:
        given = _probe(model, offset_input(name), name, grouping)
        total = ir.node("Add", [product.outputs[0], given], name=f"mask:{name}/add")
        total.outputs[0].name = f"masked:{name}"
        made.append(total)
    producer = data.producer()
    if producer is None:
        model.graph.insert_before(next(iter(model.graph)), made)
    else:
        model.graph.insert_after(producer, made)
    return made[-1].outputs[0]


def _probe(model: ir.Model, name: str, value: str, grouping: Grouping) -> ir.Value:
    """A graph input of the shape of a value's channel ids."""
    shape = ir.Shape(grouping.labelling.values[value].shape)
    given = ir.Value(name=name, shape=shape, type=ir.TensorType(ir.DataType.FLOAT))
    model.graph.inputs.append(given)
    return given


def _give_outputs(model: ir.Model, direct: frozenset[str]) -> tuple[str, ...]:
    """Replace every direct consumer by a graph input."""
    graph = model.graph
    names = []
    for node in [node for node in graph if node.name in direct]:
        output = node.outputs[0]
        name = output.name or ""
        value = ir.Value(name=given_input(name), type=ir.TensorType(ir.DataType.FLOAT))
        graph.inputs.append(value)
        # a node of its own, because a graph output may not be a graph input
        copy = ir.node("Identity", [value], name=f"given:{node.name}")
        graph.insert_after(node, copy)
        output.replace_all_uses_with(copy.outputs[0], replace_graph_outputs=True)
        output.name = f"{name}/computed"
        copy.outputs[0].name = name
        names.append(name)
    return tuple(names)


def _suffix(
    model: ir.Model, given: tuple[str, ...], masked: tuple[str, ...], zeroed: tuple[str, ...]
) -> Suffix:
    graph = model.graph
    starts = {given_input(value) for value in given}
    starts |= {mask_input(value) for value in (*masked, *zeroed)}
    behind = {id(value) for value in graph.inputs if value.name in starts}
    inside = []
    for node in graph:
        if any(id(value) in behind for _, _, value in reads(node)):
            behind |= {id(value) for value in node.outputs}
            inside.append(node)
    for value in [v for v in graph.outputs if id(v) not in behind]:
        graph.outputs.remove(value)
    boundary = _detach(graph, inside, behind)
    drop_unused(model)
    outputs = tuple(value.name or "" for value in graph.outputs)
    return Suffix(model, boundary, given, masked, zeroed, outputs)


def _detach(graph: ir.Graph, inside: Iterable[ir.Node], behind: set[int]) -> tuple[str, ...]:
    """Turn values computed before the group into graph inputs."""
    inputs = {id(value) for value in graph.inputs}
    fed: dict[int, ir.Value] = {}
    for node in inside:
        for consumer, index, value in list(reads(node)):
            if id(value) in behind or value.is_initializer() or _is_probe(value):
                continue
            if id(value) in inputs:
                fed.setdefault(id(value), value)
                continue
            if id(value) not in fed:
                kind = value.type or ir.TensorType(ir.DataType.FLOAT)
                fed[id(value)] = ir.Value(name=value.name, type=kind)
            consumer.replace_input_with(index, fed[id(value)])
    for node in graph:
        for value in node.outputs:
            if id(value) in fed:
                value.name = f"{value.name}/computed"
    probes = [value for value in graph.inputs if _is_probe(value)]
    graph.inputs.clear()
    graph.inputs.extend([*probes, *fed.values()])
    return tuple(value.name or "" for value in fed.values())


def _is_probe(value: ir.Value) -> bool:
    return (value.name or "").startswith(("given:", "mask:", "offset:"))
