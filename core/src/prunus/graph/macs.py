"""Multiply-accumulates of a network and of any plan for it, without building the plan.

Everything else a budget counts (numbers that are learned or stored, milliseconds) is a sum of the
same form, and has the same model.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property

import attrs
import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array, vstack

from prunus.channel_ids.domain import ChannelIds
from prunus.graph.shapes import Shapes
from prunus.grouping.find import Grouping
from prunus.groups import Group

WEIGHTS = "weights"
"""Unit of cost of single weights."""

COUNTED = ("Conv", "ConvTranspose", "Gemm", "MatMul")
"""Operators whose MACs are counted."""


def layer_macs(model: ir.Model, shapes: Shapes) -> dict[str, int]:
    """Node name -> MACs for one input: conv, deconv, fully connected layers, computed products.

    conv: output pixels · O · I/g · kernel; transposed: input pixels · I · O/g ·
    kernel; fully connected: rows · inputs · outputs, and so of two computed values.
    """
    macs: dict[str, int] = {}
    for node in model.graph:
        if node.op_type not in (*COUNTED, "Einsum") or len(node.inputs) < 2:
            continue
        data, weight = (node.inputs[index] for index in (0, 1))
        ends = [value.name or "" for value in (data, weight, node.outputs[0]) if value is not None]
        if len(ends) < 3 or any(name not in shapes for name in ends):
            continue  # its size depends on the data
        if node.op_type == "Einsum":
            macs[node.name or ""] = _einsum_macs(node, [shapes[name] for name in ends[:2]])
        elif node.op_type == "MatMul":
            # right for two computed values too, of which there may be one pair a head
            macs[node.name or ""] = int(np.prod(shapes[ends[2]])) * shapes[ends[0]][-1]
        else:
            macs[node.name or ""] = _positions(node, shapes) * int(np.prod(shapes[ends[1]]))
    return macs


def _einsum_macs(node: ir.Node, operands: Sequence[tuple[int, ...]]) -> int:
    """One for each combination of the named axes."""
    terms = node.attributes.get_string("equation", "").replace(" ", "").partition("->")[0]
    sizes: dict[str, int] = {}
    for term, shape in zip(terms.split(","), operands, strict=False):
        sizes |= dict(zip(term, shape, strict=False))
    return int(np.prod([*sizes.values()]))


def convolution_operations(model: ir.Model, shapes: Shapes) -> int:
    """Operations of convolutions alone, as legacy pruning tools count them.

    Output pixels · O · (2 · I/g · kernel + 1): two a MAC and one for a bias, there or not
    (recovered from their published logs).
    """
    total = 0
    for node in model.graph:
        known = (node.outputs[0].name or "") in shapes
        if node.op_type == "Conv" and node.inputs[1] is not None and known:
            filters, *rest = shapes[node.inputs[1].name or ""]
            total += _positions(node, shapes) * filters * (2 * int(np.prod(rest)) + 1)
    return total


def _positions(node: ir.Node, shapes: Shapes) -> int:
    """How often the whole weight is applied."""
    data, output = node.inputs[0], node.outputs[0]
    assert data is not None
    if node.op_type == "Conv":
        return int(np.prod(shapes[output.name or ""][2:]))
    if node.op_type == "ConvTranspose":
        return int(np.prod(shapes[data.name or ""][2:]))
    return int(np.prod(shapes[output.name or ""][:-1]))


@attrs.frozen(eq=False, slots=False)
class CostModel:
    """MACs, or another cost of the same form, as a function of the units kept in each group.

    MACs(n) = sum over layers of scale · (outputs · n + outputs0) · (inputs · n + inputs0).

    Attributes:
        names: Group names, the order of n.
        sizes: ``(G,)`` units of each group.
        layers: Names of the counted nodes.
        scale: ``(L,)`` MACs of one output-input channel pair.
        outputs, inputs: ``(L, G)`` channels a unit adds to a layer; a layer has few groups.
        outputs0, inputs0: ``(L,)`` channels that always stay.
        counted: ``MACs``, ``weights``, ``parameters``, ``bytes`` or ``milliseconds``: the unit of
            cost, for messages. Methods named after MACs give it in this unit.
        allowance: Cost by which a plan may miss its goal; without it half a hundredth of the cost
            that is to go.
    """

    names: tuple[str, ...]
    sizes: NDArray[np.int64]
    layers: tuple[str, ...]
    scale: NDArray[np.float64]
    outputs: csr_array
    inputs: csr_array
    outputs0: NDArray[np.float64]
    inputs0: NDArray[np.float64]
    counted: str = "MACs"
    allowance: float | None = None

    def macs(self, kept: NDArray[np.int64] | NDArray[np.float64]) -> float:
        """MACs with ``kept`` (G,) units."""
        return float(self.layer_macs(kept).sum())

    def layer_macs(self, kept: NDArray[np.int64] | NDArray[np.float64]) -> NDArray[np.float64]:
        """``(L,)`` MACs of every counted node with ``kept`` (G,) units."""
        made = self.outputs @ kept + self.outputs0
        read = self.inputs @ kept + self.inputs0
        return np.asarray(self.scale * made * read)

    def macs_of(self, plans: NDArray[np.int64]) -> NDArray[np.float64]:
        """MACs of many plans ``(P, G)`` at once, ``(P,)``: they are a quadratic function."""
        change = plans - self.sizes
        linear = change @ self.gradient(self.sizes)
        return np.asarray(self.total + linear + ((change @ self.curvature) * change).sum(1) / 2)

    def gradient(self, kept: NDArray[np.int64]) -> NDArray[np.float64]:
        """``(G,)`` MACs one more unit of each group costs, to first order."""
        made = self.outputs @ kept + self.outputs0
        read = self.inputs @ kept + self.inputs0
        return np.asarray((self.scale * read) @ self.outputs + (self.scale * made) @ self.inputs)

    @cached_property
    def curvature(self) -> csr_array:
        """``(G, G)`` second derivatives: how much less a unit costs without one of the others."""
        pairs = self.outputs.T @ (self.inputs * self.scale[:, None])
        return csr_array(pairs + pairs.T)

    @cached_property
    def total(self) -> float:
        """MACs of the whole network."""
        return self.macs(self.sizes)

    def affine(self, slope: float, constant: float, counted: str) -> CostModel:
        """The cost ``slope`` · this one + ``constant``, in another unit."""
        none = csr_array((1, len(self.sizes)))
        return attrs.evolve(
            self,
            layers=(*self.layers, ""),
            scale=np.append(self.scale * slope, constant),
            outputs=csr_array(vstack([self.outputs, none])),
            inputs=csr_array(vstack([self.inputs, none])),
            outputs0=np.append(self.outputs0, 1),
            inputs0=np.append(self.inputs0, 1),
            counted=counted,
        )

    def kept(self, keep: Mapping[str, NDArray[np.bool_]]) -> NDArray[np.int64]:
        """``(G,)`` units kept by a plan; groups left out stay whole."""
        counts = [
            int(keep[name].sum()) if name in keep else int(size)
            for name, size in zip(self.names, self.sizes, strict=True)
        ]
        return np.array(counts, np.int64)


Side = tuple[str, str, ChannelIds]
"""A counted layer, ``outputs`` or ``inputs``, and its channel ids, each as often as it counts."""


def cost_model(model: ir.Model, grouping: Grouping) -> CostModel:
    """Build the cost model of a grouped network: its MACs."""
    macs = layer_macs(model, grouping.labelling.dims)
    sides = {"filter": "outputs", "input": "inputs"}
    found = [
        (record.node, sides[record.role], record.labels)
        for record in grouping.labelling.records
        if record.node in macs and record.role in sides
    ]
    weighted = {node for node, _, _ in found}
    found += [
        (node.name or "", "outputs", _product_channels(node, grouping))
        for node in model.graph
        if node.name in macs and node.name not in weighted
    ]
    return bilinear_cost(grouping, macs, found)


def _product_channels(node: ir.Node, grouping: Grouping) -> ChannelIds:
    """Channel ids that a product of two computed values works on, of all heads.

    Those it sums over, or else those that pass.
    """
    labelling = grouping.labelling
    summed = any(found.node == node.name for found in labelling.contractions)
    values = node.inputs[:2] if summed else node.outputs
    found = [labelling.values[v.name or ""] for v in values if v is not None]
    return max(found, key=lambda labels: labels.size).ravel()


def bilinear_cost(
    grouping: Grouping, totals: Mapping[str, float], sides: Iterable[Side], counted: str = "MACs"
) -> CostModel:
    """The model of costs that grow with the channels on two sides of a layer.

    Args:
        grouping: The groups.
        totals: Layer, or what else is counted -> its whole cost.
        sides: Channels on their sides; a side that is not named never changes.
        counted: Unit of the cost.
    """
    row = {name: index for index, name in enumerate(totals)}
    fine, head = _owners(grouping)
    found: dict[str, list[tuple[int, int, int]]] = {"outputs": [], "inputs": []}
    headed: list[tuple[int, str, int]] = []
    for name, side, labels in sides:
        owners, counts = np.unique(fine[labels.ravel()], return_counts=True)
        found[side] += [
            (row[name], int(group), int(count)) for group, count in zip(owners, counts, strict=True)
        ]
        heads = np.unique(head[labels.ravel()])
        if len(heads) == 1 and heads[0] < len(grouping.groups):
            headed.append((row[name], side, int(heads[0])))
    _count_heads(found, headed, len(grouping.groups))
    sizes = np.array([group.size for group in grouping.groups], np.int64)
    made, made0 = _side(found["outputs"], len(row), len(sizes))
    read, read0 = _side(found["inputs"], len(row), len(sizes))
    whole = (made.sum(1) + made0) * (read.sum(1) + read0)
    scale = np.array(list(totals.values()), float) / np.maximum(whole, 1)
    per_unit = 1 / np.maximum(sizes, 1)
    names = tuple(group.name for group in grouping.groups)
    return CostModel(
        names, sizes, tuple(row), scale, csr_array(made * per_unit), csr_array(read * per_unit),
        made0, read0, counted,
    )  # fmt: skip


def _owners(grouping: Grouping) -> tuple[ChannelIds, ChannelIds]:
    """``(L,)`` position of the group of every channel id, and of its heads' group; none: G."""
    count, ids = len(grouping.groups), len(grouping.labelling.roots)
    fine, head = np.full(ids, count), np.full(ids, count)
    for index, group in enumerate(grouping.groups):
        if group.name in grouping.units:
            fine[grouping.units[group.name]] = index
        elif group.name in grouping.heads:
            head[grouping.heads[group.name]] = index
    return fine[grouping.labelling.roots], head[grouping.head_of] if grouping.heads else head


def _count_heads(
    found: Mapping[str, list[tuple[int, int, int]]],
    headed: Iterable[tuple[int, str, int]],
    none: int,
) -> None:
    """Let a side of no group stand for the heads on the other side, in place.

    Channels of heads are their number times their width, and a layer's cost has two factors.
    Where the other side has groups of its own, the number of heads does not count.
    """
    for row, side, head in headed:
        entries = found["inputs" if side == "outputs" else "outputs"]
        others = [(index, entry) for index, entry in enumerate(entries) if entry[0] == row]
        if not others:
            entries.append((row, head, 1))
        elif all(entry[1] == none for _, entry in others):
            for index, (_, _, channels) in others:
                entries[index] = (row, head, channels)


def weight_cost(groups: Sequence[Group], total: int) -> CostModel:
    """The cost model of single weights: each costs one, those of no group are always there.

    Args:
        groups: Groups of single weights.
        total: Weights of the network.
    """
    count = len(groups)
    sizes = np.array([group.size for group in groups], np.int64)
    rest = np.zeros(count + 1)
    rest[count] = total - sizes.sum()
    names = tuple(group.name for group in groups)
    ones = np.ones(count + 1)
    each, none = csr_array(np.eye(count + 1, count)), csr_array((count + 1, count))
    return CostModel(names, sizes, (*names, ""), ones, each, none, rest, ones, WEIGHTS)


def _side(
    found: list[tuple[int, int, int]], layers: int, groups: int
) -> tuple[csr_array, NDArray[np.float64]]:
    """Channels of each group ``(L, G)`` and of none ``(L,)`` on one side of every layer.

    A side without channel ids (the single input channel of a depthwise filter) counts once.
    """
    row, column, channels = np.array(found, np.int64).reshape(-1, 3).T
    shape = (layers, groups + 1)
    side = csr_array(coo_array((channels.astype(float), (row, column)), shape=shape))
    rest = np.asarray(side[:, [groups]].toarray()).ravel()
    rest[side.sum(1) == 0] = 1
    return csr_array(side[:, :groups]), rest
