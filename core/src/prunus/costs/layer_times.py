"""Milliseconds of every plan, from layer times that were measured at several numbers of channels.

The network is run whole and with drawn numbers of channels in all groups at once, so that every
layer is timed within it: fused with its neighbours, in the engine's own memory layout. The time of
a layer is then fitted, with coefficients that are not negative, as a · out · in + b · out + c · in
+ d (compare the tables of layer times of NetAdapt, Yang et al., ECCV 2018). Each of these plans is
also timed as a whole, in turns with the whole network, and the sums are brought to that.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import attrs
import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from prunus.channel_ids.domain import ChannelIds
from prunus.compaction import compact
from prunus.costs.engine import Engine
from prunus.graph.digest import structure_digest
from prunus.graph.macs import COUNTED, CostModel, Side, bilinear_cost
from prunus.planning.budget import Budget, Planning
from prunus.planning.target import all_levels, named
from prunus.prunable import Prunable
from prunus.storage.files import make_directory, read_json, write_json

_DRAWN = 8
"""Plans that are timed beside the whole network."""

_LEAST = 0.15
"""Least share of a group in them."""

_WORST, _BEST = 0.5, 1.5
"""Bounds on what a network saves as a whole, relative to its layers one by one."""

_FUSED = 8
"""Most steps that an engine does together with a layer."""

Counts = NDArray[np.int64]


@attrs.frozen
class LayerTimes:
    """Measured times.

    Attributes:
        key: Digest of what they depend on: structure, engine, processor, the plans.
        plans: Units of each group, in order, of every plan that was timed; the whole network first.
        times: For each plan: value -> milliseconds of the step that makes it.
        shares: For each plan: its time, measured as a whole, as a share of the whole network's.
    """

    key: str
    plans: list[list[int]]
    times: list[dict[str, float]]
    shares: list[float]


def time_cost(
    engine: Engine, subject: Prunable, planning: Planning, budget: Budget, file: Path | None = None
) -> CostModel:
    """Milliseconds of one sample for every plan.

    Args:
        engine: What is timed.
        subject: The network and its groups.
        planning: Numbers of units that can stay; the plans that are timed have those.
        budget: The target, for its multiple.
        file: Measured times, used again where they are of this network, engine and processor, and
            written otherwise. Nothing is kept without it.
    """
    plans = _drawn(planning, budget)
    said = f"{structure_digest(subject.network)} {engine.identity} {plans.tolist()}"
    key = hashlib.sha256(said.encode()).hexdigest()
    stored = read_json(file, LayerTimes) if file is not None and file.exists() else None
    if stored is None or stored.key != key:
        stored = _measured(engine, subject, planning, plans, key)
        if file is not None:
            make_directory(file.parent)
            write_json(file, attrs.asdict(stored))
    return fitted(subject, stored)


def fitted(subject: Prunable, measured: LayerTimes) -> CostModel:
    """The cost of every plan that follows from measured times."""
    names = sorted({name for times in measured.times for name in times} - {""})
    sides = _sides(subject, names)
    shape = bilinear_cost(
        subject.grouping,
        {f"{name} {part}": 1.0 for name in names for part in sides},
        (side for found in sides.values() for side in found),
        "milliseconds",
    )
    features = np.stack([shape.layer_macs(np.array(plan, np.int64)) for plan in measured.plans])
    wanted = np.array([[times.get(name, 0.0) for name in names] for times in measured.times])
    parts = len(sides)
    scales = [
        _solved(features[:, parts * n : parts * (n + 1)], wanted[:, n]) for n in range(len(names))
    ]
    # steps of the engine's own, such as changes of the layout, grow with all others
    total = sum(sum(times.values()) for times in measured.times)
    more = total / max(float(wanted.sum()), 1e-9)
    summed = attrs.evolve(shape, scale=shape.scale * np.concatenate(scales) * more)
    return _calibrated(summed, measured)


def _calibrated(summed: CostModel, measured: LayerTimes) -> CostModel:
    """Sums of layer times, brought to what whole networks were seen to save."""
    plans = np.array(measured.plans, np.int64)
    expected = 1 - summed.macs_of(plans) / summed.total
    saved = 1 - np.array(measured.shares)
    slope = float(expected @ saved / max(float(expected @ expected), 1e-9))
    slope = min(max(slope, _WORST), _BEST)
    return summed.affine(slope, (1 - slope) * summed.total, summed.counted)


def _solved(features: NDArray[np.float64], times: NDArray[np.float64]) -> NDArray[np.float64]:
    from scipy.optimize import nnls  # slow to import

    return np.asarray(nnls(features, times)[0])


def _sides(subject: Prunable, names: list[str]) -> Mapping[str, list[Side]]:
    """The four terms of a layer's time, and the channels on the sides of each."""
    made = {name: _outputs(subject, name) for name in names}
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


def _outputs(subject: Prunable, name: str) -> ChannelIds | None:
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


def _drawn(planning: Planning, budget: Budget) -> Counts:
    """``(P, G)`` units of each group: all, and drawn shares as the multiples allow."""
    levels = all_levels(planning, budget)
    shares = np.random.default_rng(0).uniform(_LEAST, 1, (_DRAWN, len(levels)))
    drawn = [
        [
            int(lv[np.abs(lv - lv[0] * share).argmin()])
            for lv, share in zip(levels, row, strict=True)
        ]
        for row in shares
    ]
    return np.array([[level[0] for level in levels], *drawn], np.int64)


def _measured(
    engine: Engine, subject: Prunable, planning: Planning, plans: Counts, key: str
) -> LayerTimes:
    def graph(counts: Counts) -> ir.Model:
        keep = planning.keep(named(planning, counts))
        return compact(subject.network, subject.grouping, keep).model

    whole, *smaller = [graph(counts) for counts in plans]
    times = [dict(found) for found in engine.layer_times([whole, *smaller])]
    shares = [1.0]
    for model in smaller:  # in turns with the whole network: what disturbs one disturbs both
        before, after = engine.latencies([whole, model])
        shares.append(after / before)
    return LayerTimes(key, plans.tolist(), times, shares)
