"""Built-in analysis: exact curves from masked activations (DESIGN section 6)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import attrs
import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from prunus.analysis.analysis import Analysis
from prunus.analysis.differences import Differences, direct_readers
from prunus.analysis.journal import plain, restored
from prunus.analysis.suffix import (
    Suffix,
    cut_behind,
    given_input,
    keep_tensor,
    mask_input,
    offset_input,
)
from prunus.analysis.sweep import compact_curves, counted
from prunus.descriptors import Descriptor, Policy
from prunus.evaluation.session import Held, Session, with_outputs
from prunus.folding import channel_axis, channel_means
from prunus.graph.shapes import typed
from prunus.groups import Group
from prunus.hookspecs import hookimpl
from prunus.network import Network
from prunus.sensitivity import Curve, Point, Sensitivity
from prunus.task import Array, Batch

Trials = list[tuple[float, NDArray[np.bool_]]]


@hookimpl
def prunus_register() -> Iterable[Descriptor]:
    """One analysis."""
    return (Policy("exact", "every group, every ratio, on masked activations", "analyze"),)


@hookimpl
def prunus_analyze(policy: str, network: Network, analysis: Analysis) -> Sensitivity:
    """Measure every group at every ratio.

    Where removal changes neighbours (cross-channel LRN) a mask shows something else than
    removal does: such groups are measured with their channels removed.
    """
    # values cut out as inputs and outputs must say whether they are numbers, truths or places
    network = attrs.evolve(network, model=typed(network.model))
    groups = analysis.grouping.groups
    maskable = [group for group in groups if group.exact]
    removable = [group for group in groups if not group.exact]
    work = [Probe(network, analysis, group) for group in maskable]
    values = tuple(dict.fromkeys(value for probe in work for value in probe.values()))
    prefix = Prefix(network.model, values)
    chunks = list(_chunks(analysis, prefix))
    trials = sum(len(analysis.trials(group)) for group in removable)
    count = counted(analysis, len(chunks) + trials)
    done = analysis.journal.start()
    curves = {
        curve.group: curve
        for curve in (
            *_masked_curves(network, analysis, work, prefix, chunks, done, count),
            *compact_curves(network, analysis, removable, done, count),
        )
    }
    metric = analysis.evaluator.metric
    return Sensitivity(
        metric.name,
        metric.higher_is_better,
        analysis.evaluator.baseline,
        tuple(curves[group.name] for group in groups),
        analysis.key,
    )


def _masked_curves(
    network: Network,
    analysis: Analysis,
    work: Sequence[Probe],
    prefix: Prefix,
    chunks: Sequence[NDArray[np.int64]],
    done: dict[str, Any],
    count: Callable[[], None],
) -> list[Curve]:
    """Curves of masked groups: all groups and trials together, some samples at a time."""
    replaced = tuple(dict.fromkeys(value for probe in work for value in probe.replaced()))
    means = _means(network, analysis, replaced)
    for probe in work:
        probe.prepare(network.model, means)
    observed: dict[str, list[list[Any]]] = {probe.group.name: [] for probe in work}
    for number, positions in enumerate(chunks):
        stored = done.get(str(number))
        if stored is None:
            stored = _measure(analysis, prefix, work, positions)
            analysis.journal.write(str(number), stored)
        for name, chunk in observed.items():
            chunk.append(restored(stored[name]))
        count()
    return [_curve(analysis, probe, observed[probe.group.name]) for probe in work]


class Prefix:
    """One run of the whole network, giving every value the probes start from."""

    def __init__(self, model: ir.Model, values: Sequence[str]) -> None:
        inputs = {value.name for value in model.graph.inputs}
        self.values = tuple(value for value in values if value not in inputs)
        self.outputs = tuple(value.name or "" for value in model.graph.outputs)
        wanted = tuple(dict.fromkeys((*self.values, *self.outputs)))
        self._session = Session(with_outputs(model, wanted))

    def run(self, batch: Batch) -> tuple[dict[str, Array | Held], dict[str, Array]]:
        """Values the probes start from, and graph outputs, by name."""
        found = self._session.hold(batch.inputs)
        return {**batch.inputs, **found}, {name: found[name].numpy() for name in self.outputs}


class Probe:
    """All trials of one group, one after the other through what lies behind it.

    Not all in one batch: that takes as many times the memory and leaves the caches, which
    costs more than the calls it saves.
    """

    def __init__(self, network: Network, analysis: Analysis, group: Group) -> None:
        self.group = group
        self.trials: Trials = analysis.trials(group)
        self.direct = direct_readers(network.model, analysis.grouping, group, self.trials)
        names = frozenset(reader.node for reader in self.direct)
        self.suffix: Suffix = cut_behind(network.model, analysis.grouping, group, names)
        self._grouping = analysis.grouping
        self._session = Session(self.suffix.model, arena=False) if self.trials else None
        self._differences: Differences | None = None
        self._masks: list[dict[str, Array]] = []

    def values(self) -> tuple[str, ...]:
        """Values of the original graph the probe starts from."""
        own = tuple(value for reader in self.direct for value in (reader.data, reader.output))
        return (*self.suffix.boundary, *self.suffix.masked, *own)

    def replaced(self) -> tuple[str, ...]:
        """Values of which removed channels are replaced by their means."""
        return (*self.suffix.masked, *(reader.data for reader in self.direct))

    def prepare(self, model: ir.Model, means: Mapping[str, Array]) -> None:
        """Build what needs the means of the read values."""
        if self.direct:
            self._differences = Differences(model, self.direct, means)
        self._masks = [self._masks_of(keep, means) for _, keep in self.trials]

    def _masks_of(self, keep: NDArray[np.bool_], means: Mapping[str, Array]) -> dict[str, Array]:
        feed = {}
        for value in self.suffix.masked:
            mask = keep_tensor(self._grouping, self.group, value, keep)
            feed[mask_input(value)] = mask
            feed[offset_input(value)] = np.asarray((1 - mask) * means[value], np.float32)
        return feed

    def run(self, values: Mapping[str, Array | Held]) -> Iterator[dict[str, Array]]:
        """Graph outputs of every trial, from the values in front."""
        if self._session is None:
            return
        boundary = {name: values[name] for name in self.suffix.boundary}
        read = self._differences.run(values) if self._differences else [{}] * len(self.trials)
        for masks, direct in zip(self._masks, read, strict=True):
            given = {given_input(name): value for name, value in direct.items()}
            yield self._session.run({**boundary, **masks, **given})


def _means(network: Network, analysis: Analysis, values: tuple[str, ...]) -> dict[str, Array]:
    """Mean of every channel of the values, broadcastable to them."""
    if not values:
        return {}
    found = channel_means(network, analysis.grouping, values, analysis.evaluator.calibration())
    means = {}
    for name, mean in found.items():
        shape = [1] * analysis.grouping.labelling.values[name].ndim
        shape[channel_axis(analysis.grouping, name)] = -1
        means[name] = mean.reshape(shape).astype(np.float32)
    return means


def _chunks(analysis: Analysis, prefix: Prefix) -> Iterable[NDArray[np.int64]]:
    """Sample positions, so many at a time that all activations fit."""
    labelling, positions = analysis.grouping.labelling, analysis.evaluator.positions
    size = labelling.samples_at_once(prefix.values, analysis.evaluator.batch_size)
    return (positions[start : start + size] for start in range(0, len(positions), size))


def _measure(
    analysis: Analysis,
    prefix: Prefix,
    work: Sequence[Probe],
    positions: NDArray[np.int64],
) -> dict[str, Any]:
    batch = analysis.evaluator.data.read(positions, None)
    values, reference = prefix.run(batch)
    metric = analysis.evaluator.metric
    return {
        probe.group.name: plain(
            [
                metric.observe({**reference, **out}, reference, batch.labels)
                for out in probe.run(values)
            ]
        )
        for probe in work
    }


def _curve(analysis: Analysis, probe: Probe, chunks: list[list[Any]]) -> Curve:
    points = []
    for index, (ratio, keep) in enumerate(probe.trials):
        result = analysis.evaluator.metric.result([chunk[index] for chunk in chunks])
        points.append(Point(ratio, int(keep.sum()), result.value, result.error))
    return Curve(probe.group.name, probe.group.size, tuple(points))
