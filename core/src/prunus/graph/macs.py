"""Multiply-accumulates of a network and of any plan for it, without building the plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs
import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from prunus.graph.shapes import Shapes
from prunus.grouping.find import Grouping
from prunus.groups import Group

_COUNTED = ("Conv", "ConvTranspose", "Gemm", "MatMul")


def layer_macs(model: ir.Model, shapes: Shapes) -> dict[str, int]:
    """Node name -> MACs for one input: conv, deconv and fully connected layers.

    conv: output pixels · O · I/g · kernel; transposed: input pixels · I · O/g ·
    kernel; fully connected: rows · inputs · outputs.
    """
    macs: dict[str, int] = {}
    for node in model.graph:
        if node.op_type not in _COUNTED:
            continue
        data, weight = (node.inputs[index] for index in (0, 1))
        ends = [value.name or "" for value in (data, weight, node.outputs[0]) if value is not None]
        if len(ends) < 3 or any(name not in shapes for name in ends):
            continue  # its size depends on the data
        if node.op_type == "MatMul":
            # right for two computed values too, of which there may be one pair a head
            macs[node.name or ""] = int(np.prod(shapes[ends[2]])) * shapes[ends[0]][-1]
        else:
            macs[node.name or ""] = _positions(node, shapes) * int(np.prod(shapes[ends[1]]))
    return macs


def vendor_operations(model: ir.Model, shapes: Shapes) -> int:
    """Operations as the vendor's pruning tools counted them: of convolutions alone.

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


@attrs.frozen(eq=False)
class CostModel:
    """MACs as a function of the number of units kept in each group.

    MACs(n) = sum over layers of scale · (outputs · n + outputs0) · (inputs · n + inputs0).

    Attributes:
        names: Group names, the order of n.
        sizes: ``(G,)`` units of each group.
        layers: Names of the counted nodes.
        scale: ``(L,)`` MACs of one output-input channel pair.
        outputs, inputs: ``(L, G)`` channels a unit adds to a layer.
        outputs0, inputs0: ``(L,)`` channels that always stay.
    """

    names: tuple[str, ...]
    sizes: NDArray[np.int64]
    layers: tuple[str, ...]
    scale: NDArray[np.float64]
    outputs: NDArray[np.float64]
    inputs: NDArray[np.float64]
    outputs0: NDArray[np.float64]
    inputs0: NDArray[np.float64]

    def macs(self, kept: NDArray[np.int64]) -> float:
        """MACs with ``kept`` (G,) units."""
        return float(self.layer_macs(kept).sum())

    def layer_macs(self, kept: NDArray[np.int64]) -> NDArray[np.float64]:
        """``(L,)`` MACs of every counted node with ``kept`` (G,) units."""
        made = self.outputs @ kept + self.outputs0
        read = self.inputs @ kept + self.inputs0
        return np.asarray(self.scale * made * read)

    def macs_of(self, plans: NDArray[np.int64]) -> NDArray[np.float64]:
        """MACs of many plans ``(P, G)`` at once, ``(P,)``."""
        made = plans @ self.outputs.T + self.outputs0
        read = plans @ self.inputs.T + self.inputs0
        return np.asarray((made * read) @ self.scale)

    def gradient(self, kept: NDArray[np.int64]) -> NDArray[np.float64]:
        """``(G,)`` MACs one more unit of each group costs, to first order."""
        made = self.outputs @ kept + self.outputs0
        read = self.inputs @ kept + self.inputs0
        return np.asarray((self.scale * read) @ self.outputs + (self.scale * made) @ self.inputs)

    @property
    def total(self) -> float:
        """MACs of the whole network."""
        return self.macs(self.sizes)

    def kept(self, keep: Mapping[str, NDArray[np.bool_]]) -> NDArray[np.int64]:
        """``(G,)`` units kept by a plan; groups left out stay whole."""
        counts = [
            int(keep[name].sum()) if name in keep else int(size)
            for name, size in zip(self.names, self.sizes, strict=True)
        ]
        return np.array(counts, np.int64)


def cost_model(model: ir.Model, grouping: Grouping) -> CostModel:
    """Build the cost model of a grouped network."""
    labelling = grouping.labelling
    macs = layer_macs(model, labelling.dims)
    layers = tuple(macs)
    column = {name: index for index, name in enumerate(layers)}
    owner = np.full(len(labelling.roots), len(grouping.groups))
    for index, units in enumerate(grouping.units.values()):
        owner[units] = index
    made = np.zeros((len(layers), len(grouping.groups) + 1))
    read = np.zeros_like(made)
    for record in labelling.records:
        if record.node in column and record.role in ("filter", "input"):
            side = made if record.role == "filter" else read
            owners = owner[labelling.roots[record.labels.ravel()]]
            side[column[record.node]] += np.bincount(owners, minlength=side.shape[1])
    sizes = np.array([group.size for group in grouping.groups], np.int64)
    made, read = _whole(made), _whole(read)
    scale = np.array(list(macs.values()), float) / np.maximum(made.sum(1) * read.sum(1), 1)
    per_unit = np.maximum(sizes, 1)
    return CostModel(
        tuple(group.name for group in grouping.groups),
        sizes,
        layers,
        scale,
        made[:, :-1] / per_unit,
        read[:, :-1] / per_unit,
        made[:, -1],
        read[:, -1],
    )


def _whole(side: NDArray[np.float64]) -> NDArray[np.float64]:
    """A side without labels (the single input channel of a depthwise filter) counts once."""
    side[side.sum(1) == 0, -1] = 1
    return side


def kept_counts(groups: Sequence[Group], keep: Mapping[str, NDArray[np.bool_]]) -> dict[str, int]:
    """Group name -> units kept."""
    return {g.name: int(keep[g.name].sum()) if g.name in keep else g.size for g in groups}
