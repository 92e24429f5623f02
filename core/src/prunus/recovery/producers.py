"""Producers fitted to what the consumers behind them are to give.

The consumer of removed channels can only use what is left of them. The filters that make these
channels can change too: with the consumer's weights as they are, the consumer's error is, near the
producer's weights, a linear function of their change. Least squares for that change, by conjugate
gradients (Gauss-Newton on one layer); then the consumer is fitted anew.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import attrs
import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.sparse.linalg import LinearOperator, cg

from prunus.recovery.chains import Chain, Tangent
from prunus.recovery.linear_maps import LinearMap
from prunus.recovery.targets import Target

_STEPS = 2
"""Steps of conjugate gradients where samples are few: more fit them rather than the network."""

_MORE_STEPS = 6
"""Steps where samples are many."""

_MANY = 512
"""Number of samples from which they may count as many: positions of one sample are much alike."""

_VALUES = 256
"""Number of target values for each weight from which they do."""

_DAMPING = 0.1
"""Share of the mean diagonal, added to the diagonals of the preconditioner."""

_WORK = 7 * 10**10
"""Bound on the MACs of one producer's fit: seconds on two cores."""

_BYTES = 2**27
"""Bound on the activations held at once."""

_HELD = 8
"""Estimate: values of the largest size that are held at once."""

_EQUATIONS = 8
"""Least number of target values for each weight."""

Array = NDArray[np.float32]
Vector = NDArray[np.float64]


@attrs.frozen(eq=False)
class FitSamples:
    """What a producer reads and what the consumer behind it is to give, channels on axis 1.

    Attributes:
        data: Read by the producer, in the pruned network: kept channels.
        wanted: The target's value in the original network.
        other: The other branch of a sum, in the pruned network; zeros ``(N, 1, ...)`` without one.
        importance: Weights ``(N, 1, ...)`` of the target's positions.
    """

    data: Array
    wanted: Array
    other: Array
    importance: Array

    def __getitem__(self, which: NDArray[np.int64]) -> FitSamples:
        return FitSamples(*(array[which] for array in attrs.astuple(self, recurse=False)))

    def __len__(self) -> int:
        return len(self.data)


@attrs.frozen(eq=False)
class Filters:
    """Kept filters ``(K, C, ...)`` of kept channels, and their biases ``(K,)``."""

    weight: Array
    bias: Array

    def moved(self, change: Vector) -> Filters:
        """Filters some change away: of the weights, then of the biases."""
        weight, bias = self.split(change)
        return Filters(self.weight + weight, self.bias + bias)

    def split(self, change: Vector) -> tuple[Array, Array]:
        """The weights and the biases of a change."""
        numbers = change.astype(np.float32)
        size = self.weight.size
        return numbers[:size].reshape(self.weight.shape), numbers[size:]


@attrs.frozen(eq=False)
class Pair:
    """A producer and the consumer behind it, as a function of the producer's filters.

    Attributes:
        chain: The producer and the steps behind it.
        weights: Of the pruned network: initializer -> array.
        kept: ``(C,)`` channels of the producer that stay.
        consumer: The consumer as a linear map.
        reader: Its weight for the kept channels, ``(O, K, ...)``.
        constant: Its bias ``(O,)``.
        target: What its output is fitted to.
    """

    chain: Chain
    weights: Mapping[str, NDArray[np.generic]]
    kept: NDArray[np.bool_]
    consumer: LinearMap
    reader: Array
    constant: Array
    target: Target

    def made(self, filters: Filters, data: Array) -> tuple[Array, list[Tangent]]:
        """What the consumer reads ``(N, K, ...)``, and the steps near it."""
        found = self.chain.linear.outputs(data, filters.weight)
        found = found + _spread(filters.bias, found.ndim)
        tangents = []
        for step in self.chain.steps:
            found, tangent = step.at(found, self.weights, self.kept)
            tangents.append(tangent)
        return found, tangents

    def reached(self, read: Array, other: Array) -> Array:
        """The target's value for what the consumer reads."""
        outputs = self.consumer.outputs(read, self.reader)
        outputs = outputs + _spread(self.constant, outputs.ndim)
        return np.asarray(outputs * self.scale(outputs.ndim) + self._shift(outputs.ndim) + other)

    def error(self, filters: Filters, samples: FitSamples) -> float:
        """Weighted squared error of the target behind its rectifier."""
        found = self.reached(self.made(filters, samples.data)[0], samples.other)
        wanted, rectifier = samples.wanted, self.target.rectifier
        if rectifier is not None:
            found, wanted = rectifier.values(found), rectifier.values(wanted)
        error = float(np.sum(samples.importance * np.square(found - wanted), dtype=np.float64))
        return error if np.isfinite(error) else np.inf

    def scale(self, rank: int) -> Array:
        """Factor of the outputs in the target's value."""
        return _spread(np.atleast_1d(np.asarray(self.target.scale)), rank)

    def _shift(self, rank: int) -> Array:
        return _spread(np.atleast_1d(np.asarray(self.target.shift)), rank)


def fitted_filters(pair: Pair, filters: Filters, samples: FitSamples) -> Filters:
    """The filters that give the consumer's target best; the given ones where samples are few.

    Args:
        pair: The producer and its consumer.
        filters: The producer's filters as they are.
        samples: Of all kinds that the network sees.
    """
    number = _affordable(pair, filters, samples)
    chosen = samples[np.linspace(0, len(samples) - 1, number).astype(np.int64)]
    if chosen.wanted.size < _EQUATIONS * filters.weight.size:
        return filters
    many = len(samples) >= _MANY and chosen.wanted.size >= _VALUES * filters.weight.size
    steps = _MORE_STEPS if many else _STEPS
    found = [filters.moved(change) for change in _changes(pair, filters, chosen, steps)]
    better = [one for one in found if pair.error(one, chosen) < pair.error(filters, chosen)]
    return better[-1] if better else filters


def _affordable(pair: Pair, filters: Filters, samples: FitSamples) -> int:
    """Number of samples for the bounds on work and memory."""
    read, _ = pair.made(filters, samples.data[:1])
    positions = math.prod(read.shape[2:])  # steps may pool: a lower bound of the producer's
    work = positions * filters.weight.size
    work += math.prod(samples.wanted.shape[2:]) * pair.reader.size
    held = 4 * _HELD * max(read.size, samples.wanted[0].size, samples.data[0].size)
    most = min(_WORK // (work * 4 * (_MORE_STEPS + 1)), _BYTES // held)
    return int(min(len(samples), most))


def _changes(pair: Pair, filters: Filters, samples: FitSamples, steps: int) -> list[Vector]:
    """Changes of the filters, one a step of conjugate gradients."""
    normal, gradient = _normal_equations(pair, filters, samples)
    found: list[Vector] = []
    size = filters.weight.size + filters.bias.size
    if not np.isfinite(gradient).all() or not gradient.any():
        return found
    cg(
        LinearOperator((size, size), matvec=normal, dtype=np.float64),
        gradient,
        rtol=1e-6,
        maxiter=steps,
        M=_preconditioner(pair, filters, samples),
        callback=lambda change: found.append(np.array(change)),
    )
    return [change for change in found if np.isfinite(change).all()]


def _normal_equations(pair: Pair, filters: Filters, samples: FitSamples) -> tuple[object, Vector]:
    """Products with the matrix of the normal equations, and their right side."""
    read, tangents = pair.made(filters, samples.data)
    reached = pair.reached(read, samples.other)
    rectifier = pair.target.rectifier
    if rectifier is None:
        missing, counted = samples.wanted - reached, samples.importance
    else:
        missing = rectifier.aim(samples.wanted, reached) - reached
        counted = samples.importance * rectifier.counted(samples.wanted, reached)
    scale, linear = pair.scale(reached.ndim), pair.chain.linear

    def push(change: Vector) -> Array:
        weight, bias = filters.split(change)
        found = linear.outputs(samples.data, weight)
        found = found + _spread(bias, found.ndim)
        for tangent in tangents:
            found = tangent.push(found)
        return pair.consumer.outputs(found, pair.reader) * scale

    def pull(values: Array) -> Vector:
        found = pair.consumer.adjoint(values * scale, pair.reader, read.shape)
        for tangent in reversed(tangents):
            found = tangent.pull(found)
        weight = linear.gradient(found, samples.data, filters.weight.shape)
        bias = found.sum((0, *range(2, found.ndim)), np.float64)
        return np.concatenate([weight.ravel().astype(np.float64), bias])

    return (lambda change: pull(counted * push(change))), pull(samples.importance * missing)


def _preconditioner(pair: Pair, filters: Filters, samples: FitSamples) -> LinearOperator:
    """The inverse of (what reads the filters' outputs) ⊗ (what the filters read).

    Positions and filters are taken as independent (compare Martens and Grosse, K-FAC, 2015).
    """
    size = len(filters.bias)
    read, tangents = pair.made(filters, samples.data[:1])
    made = pair.chain.linear.outputs(samples.data[:1], filters.weight)
    found = np.where(np.random.default_rng(0).random(made.shape) < 0.5, -1, 1).astype(np.float32)
    for tangent in tangents:
        found = tangent.push(found)
    gains = np.sqrt(np.square(found).mean((0, *range(2, read.ndim)), np.float64)) + 1e-6
    scale = pair.scale(2).reshape(-1, *[1] * (pair.reader.ndim - 1))
    rows = np.moveaxis(pair.reader * scale, 1, 0).reshape(size, -1) * gains[:, None]
    reads = cho_factor(_damped(rows @ rows.T))
    inputs = cho_factor(_damped(pair.chain.linear.products(samples.data)))

    def solve(change: Vector) -> Vector:
        weights, biases = change[: filters.weight.size], change[filters.weight.size :]
        both = np.concatenate([weights.reshape(size, -1), biases[:, None]], 1)
        solved = cho_solve(inputs, cho_solve(reads, both).T).T
        return np.concatenate([solved[:, :-1].ravel(), solved[:, -1]])

    return LinearOperator((filters.weight.size + size,) * 2, matvec=solve, dtype=np.float64)


def _damped(matrix: Vector) -> Vector:
    matrix = np.array(matrix, np.float64)
    mean = max(float(np.trace(matrix)) / len(matrix), 1e-30)
    matrix[np.diag_indices(len(matrix))] += _DAMPING * mean
    return matrix


def _spread(array: NDArray[np.generic], rank: int) -> Array:
    """Numbers of the channels, beside values ``(N, C, ...)``."""
    return np.asarray(array, np.float32).reshape(-1, *[1] * (rank - 2))
