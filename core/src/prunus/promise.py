"""The largest rate whose loss stays within a bound: whole plans, compensated and measured.

Half of the held-out samples chooses: the rate is bisected, and every plan on the way is carried out
and measured on them. The other half keeps the promise: what is within the bound on the first half
alone gives way to the plan of nine tenths of its rate.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import attrs
import numpy as np
from numpy.typing import NDArray

from prunus.errors import DataError, PlanError
from prunus.evaluation.evaluator import Evaluator
from prunus.evaluation.user_metric import UserMetric
from prunus.network import Compact, Network
from prunus.planning.budget import check_loss
from prunus.planning.choose import Chooser, Keep
from prunus.planning.limits import Limit
from prunus.planning.target import all_levels, least
from prunus.task import Batch, Dataset

_FEWEST = 32
"""Held-out samples below which no promise is made."""

_STEP = 0.01
"""Rates are bisected down to this."""

_LESS = 0.9
"""Share of a rate that is tried where the samples that check do not confirm it."""

_LOOKS = 12
"""Most plans that these samples see."""


@attrs.frozen(eq=False)
class Carried:
    """A plan, carried out.

    Attributes:
        keep: The plan.
        masked: The network masked and compensated.
        smaller: Its compact form.
    """

    keep: Keep
    masked: Network
    smaller: Compact


@attrs.frozen(eq=False)
class Promise:
    """The loss of a plan on samples that did not choose it.

    Attributes:
        asked: Bound of the loss.
        loss: Loss on the samples that did not choose.
        samples: Number of these.
        chosen_on: Number of samples that chose.
        looks: Plans measured on the samples that did not choose, until one kept the bound.
    """

    asked: float
    loss: float
    samples: int
    chosen_on: int
    looks: int


@attrs.frozen(eq=False)
class Halves:
    """Held-out samples in two parts, each every second one.

    Attributes:
        choosing: What plans are chosen by.
        checking: What tells whether the chosen one keeps the bound.
    """

    choosing: Evaluator
    checking: Evaluator


def halved(evaluator: Evaluator) -> Halves:
    """The samples of a measurement in two parts.

    Raises:
        DataError: there are too few, or the metric brings its own.
    """
    if isinstance(evaluator.metric, UserMetric):
        raise DataError(
            f"metric '{evaluator.metric.name}' brings its own samples: none can be kept from "
            "choosing, as a bound of the loss needs; use a metric of 'prunus methods'"
        )
    if evaluator.count < _FEWEST:
        raise DataError(
            f"{evaluator.count} samples are too few for a bound of the loss: half of them choose "
            f"and half check; give {_FEWEST} at least"
        )
    parts = (evaluator.positions[0::2], evaluator.positions[1::2])
    first, second = (
        attrs.evolve(evaluator, data=_Part(evaluator.data, part), samples=None) for part in parts
    )
    return Halves(first, second)


def check_bound(evaluator: Evaluator, bound: float | None, said: str = "max_loss") -> None:
    """Refuse a bound that every network keeps (`check_loss`).

    Raises:
        UsageError: it is one.
    """
    if bound is not None and bound >= 1:
        metric = evaluator.metric
        value = evaluator.baseline.value
        check_loss(bound, metric.name, value, rises=metric.higher_is_better, said=said)


def loss_on(evaluator: Evaluator, carried: Carried) -> float:
    """Metric that the whole network loses, compensated."""
    return evaluator.loss_of(evaluator.measure(carried.smaller.model).value)


def promised(
    chooser: Chooser,
    limits: Sequence[Limit],
    halves: Halves,
    carry: Callable[[Keep], Carried],
) -> tuple[Carried, Promise]:
    """The plan that meets the limits, or without any the largest one, whose loss stays in a bound.

    Args:
        chooser: Makes plans; its budget says the bound.
        limits: Costs to come down to.
        halves: Held-out samples.
        carry: Carries out a plan.

    Raises:
        PlanError: the bound is not kept; says which rate keeps it.
    """
    bound = chooser.budget.max_loss
    if bound is None:
        raise ValueError("the budget has no bound of the loss")
    levels = all_levels(chooser.facts, chooser.budget)
    most = 1 - least(chooser.facts, levels) / chooser.facts.cost.total

    def at(rate: float) -> Carried:
        return carry(chooser.at_rate(rate))

    if not limits:
        return largest_within(halves, most, bound, at)
    found = carry(chooser.plan(limits))
    losses = [loss_on(part, found) for part in (halves.choosing, halves.checking)]
    if max(losses) <= bound:
        return found, Promise(bound, losses[1], halves.checking.count, halves.choosing.count, 1)
    nearest, _ = largest_within(halves, chooser.subject.rate(found.keep), bound, at)
    raise PlanError(
        f"{' and '.join(limit.asked for limit in limits)} loses {max(losses):.4f}, more than "
        f"max-loss {bound:g}; rate {chooser.subject.rate(nearest.keep):.4f} is within it: ask for "
        "less, or allow more"
    )


def largest_within(
    halves: Halves, most: float, bound: float, plan_at: Callable[[float], Carried]
) -> tuple[Carried, Promise]:
    """The plan of the largest rate that keeps the bound.

    Args:
        halves: Held-out samples.
        most: No rate above this one is tried.
        bound: Metric that the network may lose.
        plan_at: The plan of a rate, carried out; a `PlanError` where there is none.

    Raises:
        PlanError: no rate keeps the bound; names the smallest one and its loss.
    """
    low, high, found, least = 0.0, most, None, (most, np.inf)
    while high - low > _STEP:
        middle = (low + high) / 2
        try:
            carried = plan_at(middle)
        except PlanError:  # too small a rate for whole channels
            break
        loss = loss_on(halves.choosing, carried)
        if loss <= bound:
            low, found = middle, carried
        else:
            high, least = middle, (middle, loss)
    for looks in range(1, _LOOKS + 1):
        if found is None:
            break
        loss = loss_on(halves.checking, found)
        if loss <= bound:
            counts = halves.checking.count, halves.choosing.count
            return found, Promise(bound, loss, *counts, looks)
        least = low, loss
        low, found = _smaller(halves.choosing, low, bound, plan_at)
    rate, loss = least
    raise PlanError(
        f"max-loss {bound:g} is out of reach: rate {rate:.4f} already loses {loss:.4f}; allow "
        "more, give more samples, or finetune between rounds ('prunus run --max-loss')"
    )


def _smaller(
    choosing: Evaluator, rate: float, bound: float, plan_at: Callable[[float], Carried]
) -> tuple[float, Carried | None]:
    """A smaller rate that the samples that choose still allow, and its plan, if there is one."""
    while (rate := rate * _LESS) > _STEP:
        try:
            found = plan_at(rate)
        except PlanError:
            break
        if loss_on(choosing, found) <= bound:
            return rate, found
    return rate, None


@attrs.frozen(eq=False)
class _Part:
    """Some samples of a data set."""

    whole: Dataset
    positions: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.positions)

    def read(self, positions: NDArray[np.int64], rng: np.random.Generator | None) -> Batch:
        """Read them."""
        return self.whole.read(self.positions[positions], rng)

    def digest(self) -> str:
        """Of the whole and the choice."""
        return f"{self.whole.digest()}-{len(self.positions)}"
