"""Built-in analysis: curves after compensation, measured at few ratios and joined by local errors.

One pass over some samples gives, for every group and ratio, the share of its consumers' outputs
that compensation leaves missing (`prunus.recovery.one_pass`). At two ratios a group, found by
bisection, the compensated network is run, from the group to the outputs; between them the loss
follows the local error (`prunus.analysis.anchors`). Samples are added piece by piece until the loss
is known well enough (`prunus.analysis.racing`). Groups do not look at each other: parts of an
analysis give the curves of the whole.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cache, cached_property, partial
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from prunus.analysis.analysis import Analysis
from prunus.analysis.anchors import Anchor, joined, last_trial, next_trial
from prunus.analysis.behind import Behind, LoadedBehind
from prunus.analysis.journal import plain, restored
from prunus.analysis.link import Link
from prunus.analysis.original_runs import OriginalRuns
from prunus.analysis.probe import Prefix, is_maskable
from prunus.analysis.racing import (
    Loss,
    Seen,
    Values,
    divided,
    is_looked_at,
    is_settled,
    judged,
    lost,
    scale,
    values_of,
)
from prunus.analysis.sweep import compact_curves, counted
from prunus.errors import DataError
from prunus.evaluation.session import Session
from prunus.graph.shapes import typed
from prunus.grouping.find import find_groups
from prunus.groups import Group
from prunus.methods.members import magnitude
from prunus.network import Network
from prunus.recovery.held_out import distance
from prunus.recovery.one_pass import OnePass
from prunus.selection import choose_units
from prunus.sensitivity import Curve, Point, Sensitivity

_STEPS = 2
"""Ratios of a group that are measured."""

_KNEE = 0.02
"""Loss around which they are sought, as a share of the metric."""

_SHARES = (0.08, 0.2, 0.5)
"""Of every group, in the plans that show what a distance costs."""

_LINKED = 8
"""Pieces of the samples that they are measured on, at most."""

_ROOM = 1 << 29
"""Bytes of weights that stay loaded; the others are loaded again for every piece."""

_KEPT = 1 << 28
"""Bytes of the original network's values, before groups, that are kept for the next step."""


def analyze(network: Network, analysis: Analysis) -> Sensitivity:
    """Measure every group at few ratios.

    Groups that no mask shows (`is_maskable`) are measured at every ratio, with what is removed
    gone.
    """
    network = attrs.evolve(network, model=typed(network.model))
    groups = analysis.grouping.groups
    maskable = [group for group in groups if is_maskable(group)]
    removable = [group for group in groups if not is_maskable(group)]
    trials = sum(len(analysis.trials(group)) for group in removable)
    count = counted(analysis, _STEPS * len(maskable) + trials)
    done = analysis.journal.start()
    curves = (
        *_Measurement(network, analysis, maskable, done).curves(count),
        *compact_curves(network, analysis, removable, done, count),
    )
    return analysis.sensitivity(curves)


@attrs.define(eq=False)
class _Race:
    """One group while it is measured.

    Attributes:
        group: The group.
        trials: Ratio and kept units of every trial.
        behind: The layers behind it.
        anchors: Points measured so far.
        trial: Number of the trial that is measured now; ``None`` when enough is known.
    """

    group: Group
    trials: Sequence[tuple[float, NDArray[np.bool_]]]
    behind: Behind
    anchors: list[Anchor] = attrs.field(factory=list)
    trial: int | None = None

    @property
    def name(self) -> str:
        """Of the present trial, in the journal."""
        assert self.trial is not None
        return f"{self.group.name}|{self.trials[self.trial][0]}"

    @property
    def keep(self) -> NDArray[np.bool_]:
        """Units that the present trial keeps."""
        assert self.trial is not None
        return self.trials[self.trial][1]


class _Measurement:
    """All groups of an analysis, measured side by side."""

    def __init__(
        self, network: Network, analysis: Analysis, groups: Sequence[Group], done: dict[str, Any]
    ) -> None:
        self._network, self._analysis, self._done = network, analysis, done
        self._samples = divided(analysis.evaluator.positions, analysis.seed)
        self._races = [
            _Race(group, analysis.trials(group), Behind(network, analysis.grouping, group))
            for group in groups
        ]
        values = (value for race in self._races for value in race.behind.suffix.boundary)
        prefix = Prefix(network.model, tuple(dict.fromkeys(values)))
        size = analysis.grouping.labelling.samples_at_once(
            prefix.values, analysis.evaluator.batch_size
        )
        self._runs = OriginalRuns(analysis.evaluator, prefix, self._samples.pieces, size, _KEPT)
        self._values: dict[int, Values] = {}
        self._engines: dict[str, LoadedBehind] = {}

    def curves(self, count: Callable[[], None]) -> tuple[Curve, ...]:
        """One curve a group."""
        if not self._races:
            return ()
        link = self._link()
        knee = _KNEE * scale(self._analysis.evaluator)
        for _ in range(_STEPS):
            for race in self._races:
                race.trial = next_trial(len(race.trials), race.anchors, knee)
            self._engines.clear()
            self._run([race for race in self._races if race.trial is not None], link)
            for _ in self._races:
                count()
        if not np.isfinite(link.doubt):  # nothing tells what lies beyond the measured points
            self._engines.clear()
            for race in self._races:
                race.trial = last_trial(len(race.trials), race.anchors, knee)
            self._run([race for race in self._races if race.trial is not None], link)
        return tuple(self._curve(race, link) for race in self._races)

    def _link(self) -> Link:
        """Loss by distance, from plans of equal shares in all groups of the network.

        In an analysis of some groups too: what is expected is the same for all parts.
        """
        grouping = find_groups(self._network)
        groups = [group for group in grouping.groups if is_maskable(group)]
        evaluator, pairs = self._analysis.evaluator, []
        plans = {s: {g.name: _even(self._network, g, s) for g in groups} for s in _SHARES}
        networks = {f"|{share}": cache(partial(self._whole, plans[share])) for share in _SHARES}
        last = min(_LINKED, len(self._samples.pieces)) - 1
        for number in range(last + 1):
            self._observe(number, networks)
        for name in networks:
            with suppress(DataError):  # nothing is detected in so few samples
                found = lost(evaluator, self._before(last), self._seen(name, last))
                pairs.append((found.distance, found.loss))
        return Link.of(pairs)

    def _run(self, races: Sequence[_Race], link: Link) -> None:
        """Measure the present trial of each, on as many pieces as it needs."""
        left = list(races)
        for number in range(len(self._samples.pieces)):
            self._observe(number, {race.name: partial(self._engine, race) for race in left})
            for race in list(left):
                found = self._judged(race, number, link)
                if found is not None:
                    assert race.trial is not None
                    race.anchors.append(Anchor(race.trial, found.distance, found.loss, found.error))
                    left.remove(race)

    def _judged(self, race: _Race, last: int, link: Link) -> Loss | None:
        """The loss of the present trial on all pieces up to one; ``None`` where more are needed."""
        evaluator, final = self._analysis.evaluator, last == len(self._samples.pieces) - 1
        if not final and not is_looked_at(last + 1):
            return None
        try:
            found = judged(evaluator, self._before(last), self._seen(race.name, last), link)
        except DataError:  # nothing is detected in the first samples, say
            if final:
                raise
            return None
        return found if final or is_settled(evaluator, found) else None

    def _seen(self, name: str, last: int) -> list[Seen]:
        """A network on all pieces up to one; the original without a name."""
        return [Seen(*restored(self._done[f"{name}|{number}"])) for number in range(last + 1)]

    def _before(self, last: int) -> Values:
        """The original network's values on all pieces up to one."""
        if last not in self._values:
            self._values[last] = values_of(self._analysis.evaluator, self._seen("", last))
        return self._values[last]

    def _observe(self, number: int, engines: Mapping[str, Callable[[], LoadedBehind]]) -> None:
        """Run one piece of the samples through networks that have not seen it yet."""
        todo = {
            f"{n}|{number}": get for n, get in engines.items() if f"{n}|{number}" not in self._done
        }
        whole = f"|{number}"
        if not todo and whole in self._done:  # a damaged journal may lack any line
            return
        seen: dict[str, tuple[list[Any], list[int], list[float]]] = {
            name: ([], [], []) for name in (whole, *todo)
        }
        for run in self._runs.of(number):
            for name, (observations, samples, distances) in seen.items():
                outputs = run.reference
                if name in todo:
                    outputs = {**outputs, **todo[name]().run(run.values)}
                observations.append(run.observe(outputs))
                samples.append(run.samples)
                distances.append(distance(self._network, [outputs], [run.reference]))
        for name, parts in seen.items():
            if name not in self._done:
                with self._analysis.evaluator.blames("observe"):
                    self._done[name] = plain(parts)
                self._analysis.journal.write(name, self._done[name])

    def _whole(self, plan: Mapping[str, NDArray[np.bool_]]) -> LoadedBehind:
        """The whole network with the weights of a plan."""
        return LoadedBehind(Session(self._passed.masked(plan).model, arena=False), {})

    def _engine(self, race: _Race) -> LoadedBehind:
        """The layers behind a group with the weights of its trial; loaded while there is room."""
        name = race.group.name
        if name in self._engines:
            return self._engines[name]
        engine = race.behind.load(self._passed.compensated({name: race.keep}), race.keep)
        held = sum(one.behind.nbytes for one in self._races if one.group.name in self._engines)
        if held + race.behind.nbytes <= _ROOM:
            self._engines[name] = engine
        return engine

    @cached_property
    def _passed(self) -> OnePass:
        """The sums of the one pass, gathered when they are needed."""
        analysis = self._analysis
        inputs = analysis.evaluator.data.read(self._samples.fitted, None).inputs
        return OnePass(self._network, analysis.grouping, inputs, analysis.seed)

    def _local(self, race: _Race) -> NDArray[np.float64]:
        """Local error of every trial; the ratios themselves where nothing can be fitted."""
        name = f"{race.group.name}|local"
        if name not in self._done:
            found = self._passed.missing([{race.group.name: keep} for _, keep in race.trials])
            ratios = [ratio for ratio, _ in race.trials]
            self._done[name] = ratios if None in found else found
            self._analysis.journal.write(name, self._done[name])
        return np.array(self._done[name], np.float64)

    def _curve(self, race: _Race, link: Link) -> Curve:
        if not race.trials:
            return Curve(race.group.name, race.group.size, ())
        evaluator = self._analysis.evaluator
        losses, errors = joined(self._local(race), race.anchors, link)
        if evaluator.metric.higher_is_better:
            losses = -np.minimum(losses, scale(evaluator))
        values = evaluator.baseline.value + losses
        points = (
            Point(ratio, int(keep.sum()), float(value), float(error))
            for (ratio, keep), value, error in zip(race.trials, values, errors, strict=True)
        )
        return Curve(race.group.name, race.group.size, tuple(points))


def _even(network: Network, group: Group, share: float) -> NDArray[np.bool_]:
    """Units that stay where a share of a group goes, the smallest."""
    return choose_units(group, magnitude(network, group), max(1, round(group.size * (1 - share))))
