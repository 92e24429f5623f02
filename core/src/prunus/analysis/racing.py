"""How sure a measured loss is, and samples in pieces: so many are taken as a loss needs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from prunus.analysis.link import Link
from prunus.evaluation.evaluator import Evaluator

_PIECE = (1, 12)
"""Samples of a piece: a thirty-second of all, between these bounds."""

_PIECES = 4
"""Pieces that are looked at first; all are at least so many, where there are enough samples."""

_APART = 64
"""Samples from which one half is fitted to and the other half measured on."""

_FITTED = 512
"""Most samples that are fitted to."""

_BLOCKS = 8
"""Blocks of samples that are left out in turn, to see how far a loss varies."""

_PRECISE = 0.01
"""Standard error of a loss that is small enough, as a share of the metric."""

_RELATIVE = 0.6
"""The same as a share of the loss: what is expected from a distance (`prunus.analysis.link`) is
known as well where the distance is known within a third."""

Positions = NDArray[np.int64]


@attrs.frozen(eq=False)
class Samples:
    """Positions in a data set.

    Attributes:
        fitted: What consumers are fitted to.
        pieces: What is measured on, each piece drawn from all.
    """

    fitted: Positions
    pieces: tuple[Positions, ...]


@attrs.frozen(eq=False)
class Seen:
    """What one piece of the samples shows of a network.

    Attributes:
        observations: Of the metric, one a batch.
        samples: ``(batches,)`` numbers of samples.
        distances: ``(batches,)`` distances of the outputs from the original network's.
    """

    observations: Sequence[Any]
    samples: Sequence[int]
    distances: Sequence[float]


@attrs.frozen
class Loss:
    """What samples say about a network.

    Attributes:
        distance: Of its outputs from the original network's.
        spread: Standard error of the distance.
        loss: Metric lost.
        error: Standard error of the loss.
    """

    distance: float
    spread: float
    loss: float
    error: float


def divided(positions: Positions, seed: int) -> Samples:
    """Samples to fit to and samples to measure on; few are used for both."""
    order = np.random.default_rng(seed).permutation(positions)
    half = len(order) // 2 if len(order) >= _APART else 0
    measured = order[half:]
    size = int(np.clip(len(measured) // 32, *_PIECE))
    count = min(max(len(measured) // size, _PIECES), len(measured))
    fitted = np.sort(order[:half] if half else order)[:: max(1, half // _FITTED)]
    return Samples(fitted, tuple(np.array_split(measured, count)))


def scale(evaluator: Evaluator) -> float:
    """What losses are compared with: the value of the whole network, 1 where that is zero."""
    return abs(evaluator.baseline.value) or 1.0


@attrs.frozen(eq=False)
class Values:
    """A metric on some pieces of the samples.

    Attributes:
        whole: On all of them.
        parts: ``(blocks,)`` with one block left out; none for a single piece.
    """

    whole: float
    parts: NDArray[np.float64]


def values_of(evaluator: Evaluator, seen: Sequence[Seen]) -> Values:
    """The metric on all pieces, and without blocks of them in turn.

    Raises:
        DataError: the metric has no value for so few samples.
    """

    def value(left: Iterable[int]) -> float:
        parts = [one for number in left for one in seen[number].observations]
        return evaluator.result(parts).value

    everything = np.arange(len(seen))
    blocks = np.array_split(everything, min(len(seen), _BLOCKS))
    left = [np.setdiff1d(everything, block).tolist() for block in blocks if len(blocks) > 1]
    return Values(value(everything.tolist()), np.array([value(one) for one in left]))


def lost(evaluator: Evaluator, before: Values, after: Sequence[Seen]) -> Loss:
    """Loss on the same samples before and after.

    The error is that of leaving out blocks of samples in turn (jackknife), which holds for means
    and for metrics that are none; that of the metric for a single piece.

    Args:
        evaluator: The metric.
        before: Of the original network on some pieces.
        after: Another one on the same pieces.

    Raises:
        DataError: the metric has no value for so few samples.
    """
    values = values_of(evaluator, after)
    sign = 1 if evaluator.metric.higher_is_better else -1
    whole, parts = sign * (before.whole - values.whole), sign * (before.parts - values.parts)
    samples = [sum(seen.samples) for seen in after]
    far = [np.average(seen.distances, weights=seen.samples) for seen in after]
    distance = float(np.average(far, weights=samples))
    if not len(parts):
        return Loss(distance, distance, whole, evaluator.result(after[0].observations).error)
    error = np.sqrt((len(parts) - 1) * np.mean((parts - parts.mean()) ** 2))
    spread = np.std(far, ddof=1) / np.sqrt(len(far)) if np.isfinite(distance) else np.inf
    return Loss(distance, float(spread), whole, float(error))


def judged(evaluator: Evaluator, before: Values, after: Sequence[Seen], link: Link) -> Loss:
    """The loss as measured (`lost`), corrected by what its distance lets expect.

    Where all samples are alike (no answer has changed) the error is that of a count so small.

    Raises:
        DataError: the metric has no value for so few samples.
    """
    found = lost(evaluator, before, after)
    count = sum(sum(seen.samples) for seen in after)
    expected = float(link.expected(np.array([found.distance]))[0])
    error = found.error or float(np.sqrt(expected * scale(evaluator) / count))
    loss, error = link.corrected(found.distance, found.spread, found.loss, error)
    return attrs.evolve(found, loss=loss, error=error)


def is_looked_at(count: int) -> bool:
    """Whether a loss is judged after so many pieces: 4, 8, 16 and so on."""
    return count >= _PIECES and not count & (count - 1)


def is_settled(evaluator: Evaluator, found: Loss) -> bool:
    """Whether a loss is known well enough."""
    return found.error <= max(_PRECISE * scale(evaluator), _RELATIVE * found.loss)
