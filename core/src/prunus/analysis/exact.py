"""Built-in analysis: exact curves from masked activations (DESIGN section 6)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from prunus.analysis.analysis import Analysis
from prunus.analysis.journal import plain, restored
from prunus.analysis.probe import LoadedProbe, Prefix, Probe, is_maskable
from prunus.analysis.sweep import compact_curves, counted
from prunus.folding import channel_axis, channel_means
from prunus.graph.shapes import typed
from prunus.network import Network
from prunus.sensitivity import Curve, Point, Sensitivity
from prunus.task import Array

_ROOM = 1 << 29
"""Bytes of weights of all probes that stay loaded; the others are loaded again for every chunk."""


def analyze(network: Network, analysis: Analysis) -> Sensitivity:
    """Measure every group at every ratio.

    Groups that no mask shows (`is_maskable`) are measured with what is removed gone.
    """
    # values cut out as inputs and outputs must say whether they are numbers, truths or positions
    network = attrs.evolve(network, model=typed(network.model))
    groups = analysis.grouping.groups
    maskable = [group for group in groups if is_maskable(group)]
    removable = [group for group in groups if not is_maskable(group)]
    work = [Probe(network, analysis, group) for group in maskable]
    values = tuple(dict.fromkeys(value for probe in work for value in probe.values()))
    prefix = Prefix(network.model, values)
    chunks = list(_chunks(analysis, prefix))
    trials = sum(len(analysis.trials(group)) for group in removable)
    count = counted(analysis, len(chunks) + trials)
    done = analysis.journal.start()
    curves = (
        *_masked_curves(network, analysis, work, prefix, chunks, done, count),
        *compact_curves(network, analysis, removable, done, count),
    )
    return analysis.sensitivity(curves)


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
    loaded = _loaded(work, means)
    evaluator = analysis.evaluator
    observed: dict[str, list[list[Any]]] = {probe.group.name: [] for probe in work}
    for number, positions in enumerate(chunks):
        stored = done.get(str(number))
        if stored is None:
            batch = evaluator.data.read(positions, None)
            values, reference = prefix.run(batch)
            stored = {}
            for probe in work:
                engine = loaded.get(probe.group.name) or probe.load(means)
                outputs = ({**reference, **changed} for changed in engine.run(values))
                seen = [evaluator.observe(output, reference, batch) for output in outputs]
                with evaluator.blames("observe"):
                    stored[probe.group.name] = plain(seen)
            analysis.journal.write(str(number), stored)
        for name, chunk in observed.items():
            chunk.append(restored(stored[name]))
        count()
    return [_curve(analysis, probe, observed[probe.group.name]) for probe in work]


def _loaded(work: Sequence[Probe], means: Mapping[str, Array]) -> dict[str, LoadedProbe]:
    """Group name -> probe that stays loaded: the smallest ones, as many as there is room for."""
    loaded = {}
    held = 0
    for probe in sorted(work, key=Probe.nbytes):
        held += probe.nbytes()
        if held > _ROOM:
            break
        loaded[probe.group.name] = probe.load(means)
    return loaded


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


def _curve(analysis: Analysis, probe: Probe, chunks: list[list[Any]]) -> Curve:
    points = []
    for index, (ratio, keep) in enumerate(probe.trials):
        result = analysis.evaluator.result([chunk[index] for chunk in chunks])
        points.append(Point(ratio, int(keep.sum()), result.value, result.error))
    return Curve(probe.group.name, probe.group.size, tuple(points))
