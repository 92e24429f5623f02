"""Milliseconds of every plan, from plans that an engine has run.

Plans with drawn numbers of channels are timed as wholes, in turns with the whole network, and step
by step where the engine has a profile. A cost model is fitted to them (`layer_times`,
`whole_times`) and brought to what a plan without measured losses (`paced`) is seen to save at the
share asked for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

import attrs
import numpy as np
from numpy.typing import NDArray

from prunus.compaction import compact
from prunus.costs.clock import Clock
from prunus.costs.layer_times import MILLISECONDS, fitted_by_layer
from prunus.costs.whole_times import fitted_as_wholes
from prunus.engines.hold import Runnable
from prunus.graph.digest import structure_digest
from prunus.graph.macs import CostModel
from prunus.planning.budget import Budget, Planning
from prunus.planning.pace import paced
from prunus.planning.target import all_levels, bisect, named
from prunus.prunable import Prunable
from prunus.storage.files import make_directory, read_json, write_json

_DRAWN = 8
"""Plans that are timed beside the whole network."""

_SHARES = (0.2, 0.9)
"""Mean shares of a group in the first and the last of them."""

_SPREAD = 0.3
"""How far a group is from the mean of its plan."""

_LEAST = 0.15
"""Least share of a group."""

_WORST, _BEST = 0.5, 2.0
"""Bounds on what a network saves as a whole, relative to its layers one by one."""

_TRIALS = 3
"""Plans that are timed to hit a share."""

_NEAR = 0.02
"""A share of the time is hit within this."""

Counts = NDArray[np.int64]


@attrs.frozen
class PlanTimes:
    """Measured times.

    Attributes:
        key: Digest of what they depend on: structure, engine, threads, processor, the plans.
        plans: Units of each group, in order, of every plan that was timed; the whole network first.
        shares: For each plan: its time, measured as a whole, as a share of the whole network's.
        times: For each plan: value -> milliseconds of the step that makes it; empty where the
            engine has no profile.
        slopes: Share that was asked for, and digest of the multiples -> what networks save there as
            wholes, relative to the fit.
    """

    key: str
    plans: list[list[int]]
    shares: list[float]
    times: list[dict[str, float]]
    slopes: dict[str, float]


def time_costs(
    clock: Clock,
    subject: Prunable,
    plannings: Sequence[Planning],
    budget: Budget,
    file: Path | None = None,
) -> list[CostModel]:
    """Milliseconds of one sample for every plan; hundredths of the whole time without a profile.

    Args:
        clock: What times networks.
        subject: The network and its groups.
        plannings: Numbers of units that can stay, in one way or in several; for each there is a
            cost. The plans to fit to have the numbers of the first.
        budget: The target, for its multiple and the share of time to save.
        file: Measured times, used again where they are of this network, engine and processor, and
            written otherwise. Nothing is kept without it.
    """
    plans = _drawn(plannings[0], budget)
    said = f"{structure_digest(subject.network)} {clock.identity} {plans.tolist()}"
    key = hashlib.sha256(said.encode()).hexdigest()
    stored = read_json(file, PlanTimes) if file is not None and file.exists() else None
    if stored is None or stored.key != key:
        stored = _measured(clock, subject, plannings[0], plans, key)
    cost, costs = fitted(subject, stored), []
    for planning in plannings:
        asked = f"{budget.latency:g} {_said(planning)}"
        if asked not in stored.slopes:
            slope = _slope(clock, subject, planning, budget, cost)
            stored = attrs.evolve(stored, slopes={**stored.slopes, asked: slope})
            if file is not None:
                make_directory(file.parent)
                write_json(file, attrs.asdict(stored))
        costs.append(_sloped(cost, stored.slopes[asked]))
    return costs


def _said(planning: Planning) -> str:
    """Which numbers of units can stay, in a few letters."""
    return hashlib.sha256(repr(sorted(planning.multiples.items())).encode()).hexdigest()[:8]


def fitted(subject: Prunable, measured: PlanTimes) -> CostModel:
    """The cost of every plan that follows from measured times."""
    plans = np.array(measured.plans, np.int64)
    if not measured.times:
        return fitted_as_wholes(subject, plans, measured.shares)
    summed = fitted_by_layer(subject, plans, measured.times)
    expected = 1 - summed.macs_of(plans) / summed.total
    saved = 1 - np.array(measured.shares)
    slope = float(expected @ saved / max(float(expected @ expected), 1e-9))
    return _sloped(summed, min(max(slope, _WORST), _BEST))


def _sloped(cost: CostModel, slope: float) -> CostModel:
    """The same cost of the whole network, of which plans save ``slope`` times as much."""
    return cost.affine(slope, (1 - slope) * cost.total, MILLISECONDS)


def _slope(
    clock: Clock, subject: Prunable, planning: Planning, budget: Budget, cost: CostModel
) -> float:
    """What plans without measured losses save near the share asked for, relative to the fit."""
    wanted, slope = budget.latency or 0.0, 1.0
    levels, target = all_levels(planning, budget), budget.only(wanted)
    for _ in range(_TRIALS if wanted else 0):
        there = attrs.evolve(planning, cost=_sloped(cost, slope))
        counts = bisect(there, levels, wanted, paced(there, levels, target))
        saved = 1 - next(_shares(clock, subject, planning, [counts]))
        expected = 1 - cost.macs(counts) / cost.total
        slope = min(max(saved / max(expected, 1e-9), _WORST), _BEST)
        if abs(saved - wanted) <= _NEAR:
            break
    return slope


def _drawn(planning: Planning, budget: Budget) -> Counts:
    """``(P, G)`` units of each group: all, and drawn shares as the multiples allow."""
    levels = all_levels(planning, budget)
    draw = np.random.default_rng(0)
    means = np.linspace(*_SHARES, _DRAWN)[:, None]
    shares = means + draw.uniform(-_SPREAD, _SPREAD, (_DRAWN, len(levels)))
    drawn = [
        [
            int(lv[np.abs(lv - lv[0] * share).argmin()])
            for lv, share in zip(levels, row, strict=True)
        ]
        for row in np.clip(shares, _LEAST, 1)
    ]
    return np.array([[level[0] for level in levels], *drawn], np.int64)


def _measured(
    clock: Clock, subject: Prunable, planning: Planning, plans: Counts, key: str
) -> PlanTimes:
    shares = [1.0, *_shares(clock, subject, planning, plans[1:])]
    times = []
    for counts in plans:
        steps = clock.steps(_plan(subject, planning, counts))
        if steps is None:
            break
        times.append(dict(steps))
    return PlanTimes(key, plans.tolist(), shares, times, {})


def _shares(
    clock: Clock, subject: Prunable, planning: Planning, plans: Iterable[Counts]
) -> Iterator[float]:
    makers = (partial(_plan, subject, planning, counts) for counts in plans)
    return clock.shares(Runnable.whole(subject.network), makers)


def _plan(subject: Prunable, planning: Planning, counts: Counts) -> Runnable:
    """The network with so many units in each group."""
    keep = planning.keep(named(planning, counts))
    return Runnable(subject.network, compact(subject.network, subject.grouping, keep))
