"""Times of layers, fitted to times of plans that an engine has timed step by step.

The network is run whole and with drawn numbers of channels in all groups at once, so that every
layer is timed within it: fused with its neighbours, in the engine's own memory layout. The time of
a layer is then fitted, with coefficients that are not negative, as a · out · in + b · out + c · in
+ d (compare the tables of layer times of NetAdapt, Yang et al., ECCV 2018).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import attrs
import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from prunus.channel_ids.domain import ChannelIds
from prunus.graph.macs import COUNTED, CostModel, Side, bilinear_cost
from prunus.prunable import Prunable

MILLISECONDS = "milliseconds"

_FUSED = 8
"""Most steps that an engine does together with a layer."""


def fitted_by_layer(
    subject: Prunable, plans: NDArray[np.int64], times: Sequence[Mapping[str, float]]
) -> CostModel:
    """The sum of layer times of every plan.

    Args:
        subject: The network and its groups.
        plans: ``(P, G)`` units of each group in the plans that were timed.
        times: For each of them: value -> milliseconds of the step that makes it.
    """
    names = sorted({name for found in times for name in found} - {""})
    sides = _sides(subject, names)
    shape = bilinear_cost(
        subject.grouping,
        {f"{name} {part}": 1.0 for name in names for part in sides},
        (side for found in sides.values() for side in found),
        MILLISECONDS,
    )
    features = np.stack([shape.layer_macs(plan) for plan in plans])
    wanted = np.array([[found.get(name, 0.0) for name in names] for found in times])
    parts = len(sides)
    scales = [
        _solved(features[:, parts * n : parts * (n + 1)], wanted[:, n]) for n in range(len(names))
    ]
    # steps of the engine's own, such as changes of the layout, grow with all others
    total = sum(sum(found.values()) for found in times)
    more = total / max(float(wanted.sum()), 1e-9)
    return attrs.evolve(shape, scale=shape.scale * np.concatenate(scales) * more)


def _solved(features: NDArray[np.float64], times: NDArray[np.float64]) -> NDArray[np.float64]:
    from scipy.optimize import nnls  # slow to import

    return np.asarray(nnls(features, times)[0])


def _sides(subject: Prunable, names: list[str]) -> Mapping[str, list[Side]]:
    """The four terms of a layer's time, and the channels on the sides of each."""
    made = {name: outputs_of(subject, name) for name in names}
    read = {name: _inputs(subject, name) for name in names}

    def sides(part: str, which: str, labels: Mapping[str, ChannelIds | None]) -> Iterator[Side]:
        for name, found in labels.items():
            if found is not None:
                yield f"{name} {part}", which, found

    return {
        "a": [*sides("a", "outputs", made), *sides("a", "inputs", read)],
        "b": [*sides("b", "outputs", made)],
        "c": [*sides("c", "inputs", read)],
        "d": [],
    }


def outputs_of(subject: Prunable, name: str) -> ChannelIds | None:
    """Channels of a value."""
    labels = subject.grouping.labelling.values.get(name)
    if labels is None or labels.ndim < 2:
        return None
    return labels[tuple(slice(None) if axis == 1 else 0 for axis in range(labels.ndim))]


def _inputs(subject: Prunable, name: str) -> ChannelIds | None:
    """Channels that are read by the layer whose step makes a value."""
    value = _values(subject).get(name)
    for _ in range(_FUSED):
        node = None if value is None else value.producer()
        if node is None:
            return None
        if node.op_type in COUNTED:
            return _read(subject, node.name or "")
        value = node.inputs[0]
    return None


def _read(subject: Prunable, node: str) -> ChannelIds | None:
    for record in subject.grouping.labelling.records:
        if record.node == node and record.role == "input":
            return record.labels
    return None


def _values(subject: Prunable) -> Mapping[str, ir.Value]:
    graph = subject.network.model.graph
    return {value.name or "": value for node in graph for value in node.outputs}
