"""Allocation ``search``: the plan with the least measured loss of the whole network.

A plan is one strength s a group: kept shares are (1 - t)^s, with t chosen for the rate. The search
starts from the best of a few plans (uniform; residual joins spared; by measured sensitivity, where
there are curves; slow groups first, where another cost than MACs is limited). It changes one
strength at a time, all others giving way to keep the rate; then pairs of groups exchange units
(`prunus.methods.exchanges`); both in turns, as long as they help. A change stays if the loss of the
whole plan, compensated, falls on held-out samples (compare NetAdapt, Yang et al., ECCV 2018). Where
trials are left, more searches begin with strengths drawn at random.
Trials are compensated in one shot, which does not see errors of earlier layers: it leads too far.
So the last choice, between the plans found, those that the search began with and those half way
between them, is made with compensation by layers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import attrs
import numpy as np
from numpy.typing import NDArray

from prunus.descriptors import Descriptor, Policy
from prunus.errors import PlanError
from prunus.hookspecs import hookimpl
from prunus.methods import by_sensitivity
from prunus.methods.exchanges import GAIN, Exchanges
from prunus.planning import pace
from prunus.planning.budget import Budget, Planning, PlanTrials
from prunus.planning.search import Counts, Levels
from prunus.planning.target import TOLERANCE, asked, bisect, named, nearest
from prunus.progress import tell

_WORK = 8 * 10**12
"""Bound on the MACs of all trials: a few minutes on two cores."""

_VISITS = 21_600
"""Bound on trials times groups: each trial goes through all of them."""

_MOST = 1_200
"""Most trials."""

_FEWEST = 4

_FINALISTS = 2
"""Plans that are compensated by layers in any case: equal shares and the first one found."""

_OTHERS = 2
"""Other plans that the search began with; they and plans half way to them are compensated by layers
where it is cheap."""

_DRAWN = 4
"""Searches that begin with strengths drawn at random, where trials are left."""

_COMPARE = 256
"""Samples that compensate plans, of all parts together, from which on more plans are compared."""

_SPREAD = 0.6
"""Standard deviation of the logarithms of strengths that are drawn."""

_PASSES = 4
"""Estimate: work of a whole compensation in forward passes of its samples."""

_FACTOR = 2.0
"""A strength is changed by so much; what is finer is left to exchanges."""

_LEAST = 1 / 16
"""Strength below which a group stays whole."""

Strengths = NDArray[np.float64]


@hookimpl
def prunus_register() -> Iterable[Descriptor]:
    """One allocation."""
    return (
        Policy("search", "least measured loss of the whole plan; needs samples, no labels", "mask"),
    )


@hookimpl
def prunus_mask(policy: str, planning: Planning, budget: Budget) -> dict[str, NDArray[np.bool_]]:
    """Change strengths one at a time while the measured loss falls."""
    rate, levels = asked("search", planning, budget)
    if planning.trials is None:
        raise PlanError("allocation 'search' needs samples: 16 at least; give --data")
    searched = _Search(planning, levels, rate, planning.trials)
    starts = [searched.tried(one) for one in _starts(planning, levels, budget)]
    goal = planning.cost.total * (1 - rate)
    exchanges = Exchanges(planning, levels, goal, searched.affordable_loss)
    found = [_descend(searched, exchanges, min(starts, key=lambda plan: plan.loss))]
    for strengths in _drawn(planning, budget.seed):
        if not searched.affords_another(len(found)):
            break
        found.append(_descend(searched, exchanges, searched.tried(strengths)))
    searched.end()
    equal, *others = starts
    others.sort(key=lambda plan: plan.loss)
    ends = [plan.counts for plan in (equal, *others[:_OTHERS])]
    halfway = [searched.between(found[0].counts, end) for end in ends]
    candidates = [equal.counts, *(plan.counts for plan in found), *ends[1:], *halfway]
    return _best_compensated(planning, planning.trials, candidates)


def _best_compensated(
    planning: Planning, trials: PlanTrials, candidates: Sequence[Counts]
) -> dict[str, NDArray[np.bool_]]:
    """The plan of least loss behind the compensation by layers; the first ones, where it is dear.

    The first one, equal shares, stays unless another is better on every part of the samples: what
    is better on average of few may be so by luck.
    """
    work = _PASSES * trials.fitted * (planning.macs or planning.cost).total
    affordable = int(max(_WORK // max(work, 1), _FINALISTS))
    different = list({counts.tobytes(): counts for counts in candidates}.values())[:affordable]
    plans = [planning.keep(named(planning, counts)) for counts in different]
    if len(plans) == 1:
        return plans[0]
    losses: list[Sequence[float]] = []
    for plan in plans:
        tell("compare the best plans", len(losses), len(plans))
        losses.append(trials.compensated_losses(plan))
    tell("compare the best plans", len(plans), len(plans))
    found = np.array(losses)
    safe = (found <= found[0]).all(1)
    return plans[int(np.argmin(np.where(safe, found.mean(1), np.inf)))]


@attrs.frozen(eq=False)
class _Plan:
    """A plan that was measured."""

    strengths: Strengths
    counts: Counts
    loss: float


class _Search:
    """Makes plans of a rate from strengths, and measures each once."""

    def __init__(self, planning: Planning, levels: Levels, rate: float, trials: PlanTrials) -> None:
        self.planning, self._levels, self._rate, self._trials = planning, levels, rate, trials
        work = 2 * trials.samples * (planning.macs or planning.cost).total
        affordable = min(_WORK // max(work, 1), _VISITS // len(planning.groups))
        self._left = int(min(_MOST, max(affordable, _FEWEST)))
        self._most = self._left
        self._known: dict[bytes, float] = {}
        self._reached: list[float] = []  # losses of plans that do not cost more than allowed
        self._allowed = planning.cost.total * (1 - rate * (1 - TOLERANCE))

    def end(self) -> None:
        """Nothing more will be tried."""
        self._tell(self._most)

    def _tell(self, done: int) -> None:
        """How many trials are spent, and how good the best plan is beside equal shares."""
        losses = self._reached
        state = f"loss {min(losses):.4g}, of equal shares {losses[0]:.4g}" if losses else ""
        tell("search for a plan", done, self._most, state)

    @property
    def is_over(self) -> bool:
        """Whether all trials are spent."""
        return self._left <= 0

    def affords_another(self, descents: int) -> bool:
        """Whether trials are left for one more descent, of the mean length of those so far."""
        return self._left * descents >= self._most - self._left

    def tried(self, strengths: Strengths) -> _Plan:
        """The plan of some strengths, measured."""
        counts = bisect(self.planning, self._levels, self._rate, self._family(strengths))
        return _Plan(strengths, counts, self._loss(counts))

    def between(self, counts: Counts, others: Counts) -> Counts:
        """The plan half way between two: each group keeps the geometric mean of its shares."""
        strengths = _strengths(self.planning, np.sqrt(counts * others))
        return bisect(self.planning, self._levels, self._rate, self._family(strengths))

    def affordable_loss(self, counts: Counts) -> float | None:
        """The loss of a plan; ``None`` where no trial is left for it."""
        return None if self.is_over and counts.tobytes() not in self._known else self._loss(counts)

    def _loss(self, counts: Counts) -> float:
        key = counts.tobytes()
        if key not in self._known:
            self._left -= 1
            keep = self.planning.keep(named(self.planning, counts))
            self._known[key] = self._trials.loss(keep)
            if self.planning.cost.macs(counts) <= self._allowed:
                self._reached.append(self._known[key])
            self._tell(min(self._most - self._left, self._most - 1))
        return self._known[key]

    def _family(self, strengths: Strengths) -> Callable[[float], Counts]:
        sizes = [group.size for group in self.planning.groups]

        def plan(parameter: float) -> Counts:
            shares = (1 - parameter) ** strengths
            wanted = zip(self._levels, sizes, shares, strict=True)
            return np.array([nearest(lv, size * share) for lv, size, share in wanted], np.int64)

        return plan


def _starts(planning: Planning, levels: Levels, budget: Budget) -> Iterator[Strengths]:
    ones = np.ones(len(planning.groups))
    yield ones
    if planning.macs is not None and planning.macs is not planning.cost:
        yield pace.strengths(planning, levels, budget)
    if planning.sensitivity is not None:
        yield _measured(planning, budget)
    joined = np.array([len(group.layers) > 1 for group in planning.groups])
    if joined.any() and not joined.all():
        yield np.where(joined, 0.0, 1.0)
        yield np.where(joined, 0.4, 1.0)


def _drawn(planning: Planning, seed: int) -> Iterator[Strengths]:
    """Strengths drawn at random: a search from the starts ends in one valley of many.

    None where few samples compare what they lead to: of many plans the best would be so by luck.
    """
    if planning.trials is not None and planning.trials.fitted >= _COMPARE:
        drawn = np.random.default_rng(seed)
        for _ in range(_DRAWN):
            yield np.exp(drawn.normal(0, _SPREAD, len(planning.groups)))


def _measured(planning: Planning, budget: Budget) -> Strengths:
    """Strengths of the plan by measured sensitivity."""
    keep = by_sensitivity.prunus_mask("sensitivity", planning, budget)
    kept = [keep.get(g.name, planning.present[g.name]).sum() for g in planning.groups]
    return _strengths(planning, np.array(kept, np.int64))


def _strengths(planning: Planning, counts: Counts | NDArray[np.float64]) -> Strengths:
    """Strengths ``(G,)`` of a plan, 1 of the group that loses the largest share."""
    strengths = -np.log(counts / planning.cost.sizes)
    return np.asarray(strengths / max(float(strengths.max()), 1e-9), np.float64)


def _descend(searched: _Search, exchanges: Exchanges, found: _Plan) -> _Plan:
    """Change strengths and exchange units in turns, as long as both together bring something."""
    before = np.inf
    while found.loss < before * (1 - GAIN) and not searched.is_over:
        before = found.loss
        varied = _varied(searched, found)
        counts, loss = exchanges.improved(varied.counts, varied.loss)
        found = _Plan(_strengths(searched.planning, counts), counts, loss)
    return found


def _varied(searched: _Search, found: _Plan) -> _Plan:
    """Try each group stronger and weaker, once."""
    for group in range(len(found.strengths)):
        for changed in _changes(found.strengths, group):
            if searched.is_over:
                return found
            other = searched.tried(changed)
            if other.loss < found.loss * (1 - GAIN):
                found = other
                break
    return found


def _changes(strengths: Strengths, group: int) -> Iterator[Strengths]:
    for value in (strengths[group] * _FACTOR, strengths[group] / _FACTOR):
        changed = strengths.copy()
        changed[group] = 4 * _LEAST if not strengths[group] else value
        if changed[group] < _LEAST:
            changed[group] = 0.0
        yield changed
