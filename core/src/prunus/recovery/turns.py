"""What is fitted at once: a consumer alone, or a consumer and the producer before it in turns."""

from __future__ import annotations

import math
from collections import ChainMap
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import attrs
import numpy as np
from numpy.typing import NDArray

from prunus.folding import all_consumers, constant_place
from prunus.grouping.find import Grouping
from prunus.network import Network
from prunus.recovery.chains import Chain, chain_before
from prunus.recovery.design import Design
from prunus.recovery.fit import fit
from prunus.recovery.importance import Importance
from prunus.recovery.linear_maps import LinearMap, linear_map_of
from prunus.recovery.producers import Array, Filters, FitSamples, Pair, fitted_filters
from prunus.recovery.regression import Solution

_BYTES = 2**24
"""Bound on each kind of activations that are made anew at once."""

Weights = Mapping[str, NDArray[Any]]


@attrs.frozen(eq=False)
class Seen:
    """What a fit is made from.

    Attributes:
        values: Of the pruned network, as asked for (`Fitting.inputs`).
        wanted: The target's value in the original network.
        samples: Number of samples all hold; their first axes may hold more.
        draw: Chooses positions.
        importance: Weights of the samples' places, or ``None``.
        weights: Of the pruned network: initializer -> array.
    """

    values: Sequence[Array]
    wanted: Array
    samples: int
    draw: np.random.Generator
    importance: Importance | None
    weights: Weights


@attrs.frozen(eq=False)
class Fitted:
    """New weights: initializer -> array; and values that they change before the consumer."""

    weights: Weights
    values: Mapping[str, Array] = attrs.field(factory=dict)


class Fitting(Protocol):
    """One or two weights that are fitted at once."""

    @property
    def inputs(self) -> tuple[str, ...]:
        """Values of the pruned network that it asks for."""

    def fitted(self, network: Network, seen: Seen) -> Fitted:
        """The new weights of the original network."""


@attrs.frozen(eq=False)
class Alone:
    """A consumer."""

    design: Design

    @property
    def inputs(self) -> tuple[str, ...]:
        """As `Fitting` says."""
        return self.design.inputs

    def fitted(self, network: Network, seen: Seen) -> Fitted:
        """As `Fitting` says."""
        return Fitted(self.design.changes(network, _solutions(self.design, seen)))


@attrs.frozen(eq=False)
class Turn:
    """A consumer, its producer, and the consumer again.

    Attributes:
        design: The consumer.
        chain: The producer and what lies between.
        consumer: The consumer as a linear map.
        place: Initializer that takes the producer's constant, and its sign.
        read: ``(C,)`` channels of the producer's data that stay.
    """

    design: Design
    chain: Chain
    consumer: LinearMap
    place: tuple[str, float]
    read: NDArray[np.bool_]

    @property
    def inputs(self) -> tuple[str, ...]:
        """As `Fitting` says."""
        return (*self.design.inputs, self.chain.source)

    def fitted(self, network: Network, seen: Seen) -> Fitted:
        """As `Fitting` says."""
        *values, source = seen.values
        seen = attrs.evolve(seen, values=values)
        solutions = _solutions(self.design, seen)
        first = self.design.changes(network, solutions)
        if len(source) != seen.samples or len(seen.wanted) != seen.samples:
            return Fitted(first)  # their first axes run over more than samples
        now = ChainMap(first, dict(seen.weights))
        pair, old = self._pair(solutions, now), self._filters(seen.weights)
        data = source[:, self.read]
        new = fitted_filters(pair, old, _samples(data, seen))
        if new is old:
            return Fitted(first)
        made = self._made(pair, new, data)
        again = _solutions(self.design, attrs.evolve(seen, values=[made, *values[1:]]))
        weights = {**self._changes(seen.weights, old, new), **self.design.changes(network, again)}
        return Fitted(weights, {self.design.consumer.data: made})

    @property
    def _kept(self) -> NDArray[np.bool_]:
        return ~self.design.consumer.removed

    def _pair(self, solutions: Sequence[Solution], weights: Weights) -> Pair:
        reader = np.asarray(weights[self.design.consumer.weight], np.float32)[:, self._kept]
        constant = (solutions[0].constant + np.asarray(self.design.bias)).astype(np.float32)
        target = self.design.target
        return Pair(self.chain, weights, self._kept, self.consumer, reader, constant, target)

    def _filters(self, weights: Weights) -> Filters:
        """The producer's filters as they are."""
        weight = np.asarray(weights[self.chain.weight], np.float32)[self._kept][:, self.read]
        inputs = self.chain.node.inputs
        bias = inputs[2].name if len(inputs) > 2 and inputs[2] is not None else None
        known = np.zeros(len(self._kept)) if bias is None else weights[bias].ravel()
        return Filters(weight, np.asarray(known, np.float32)[self._kept])

    def _made(self, pair: Pair, filters: Filters, data: Array) -> Array:
        """What the consumer reads, ``(N, C, ...)``."""
        sizes = pair.made(filters, data[:1])[0].shape[2:]
        whole = np.zeros((len(data), len(self._kept), *sizes), np.float32)
        largest = max(data[0].size, len(filters.bias) * math.prod(data.shape[2:]), whole[0].size)
        rows = max(1, _BYTES // (4 * largest))
        for start in range(0, len(data), rows):
            found, _ = pair.made(filters, data[start : start + rows])
            whole[start : start + rows, self._kept] = found
        return whole

    def _changes(self, weights: Weights, old: Filters, new: Filters) -> dict[str, NDArray[Any]]:
        """The producer's weight, and what takes its constant: initializer -> array."""
        weight = np.array(weights[self.chain.weight], np.float32)
        weight[np.ix_(self._kept, self.read)] = new.weight
        name, sign = self.place
        constant = np.array(weights[name], np.float32)
        constant.reshape(-1)[self._kept] += sign * (new.bias - old.bias)
        return {self.chain.weight: weight, name: constant}


class Pass(Protocol):
    """What is fitted at once when the weights of a network are gone through."""

    def __call__(
        self,
        designs: Mapping[int, Design],
        network: Network,
        grouping: Grouping,
        keep: Mapping[str, NDArray[np.bool_]],
    ) -> dict[int, Fitting]:
        """The fitting of each consumer, by its number."""


def consumers_alone(
    designs: Mapping[int, Design],
    network: Network,
    grouping: Grouping,
    keep: Mapping[str, NDArray[np.bool_]],
) -> dict[int, Fitting]:
    """Consumers by number, each by itself."""
    return {number: Alone(design) for number, design in designs.items()}


def in_turns(
    designs: Mapping[int, Design],
    network: Network,
    grouping: Grouping,
    keep: Mapping[str, NDArray[np.bool_]],
) -> dict[int, Fitting]:
    """Consumers by number, in turns with their producers where these can be fitted."""
    read = {c.node.name or "": ~c.removed for c in all_consumers(network, grouping, keep)}
    weights = network.weights()

    def turn(design: Design) -> Turn | None:
        data = design.consumer.node.inputs[0]
        consumer = linear_map_of(design.consumer.node, design.weight)
        if data is None or consumer is None or design.mask is not None or not design.centred:
            return None
        chain = chain_before(data, network, weights)
        place = None if chain is None else constant_place(chain.node, network)
        if chain is None or place is None or design.window is None:
            return None
        filters, channels = weights[chain.weight].shape[:2]
        if filters != len(design.consumer.removed):
            return None
        known = read.get(chain.node.name or "", np.ones(channels, bool))
        return Turn(design, chain, consumer, place, known)

    return {number: turn(design) or Alone(design) for number, design in designs.items()}


def _solutions(design: Design, seen: Seen) -> list[Solution]:
    return fit(design, seen.values, seen.wanted, seen.samples, seen.draw, seen.importance)


def _samples(data: Array, seen: Seen) -> FitSamples:
    """What the producer's fit sees."""
    sizes = (seen.samples, *seen.wanted.shape[2:])
    counted = None
    if seen.importance is not None:
        positions = tuple(np.unravel_index(np.arange(int(np.prod(sizes))), sizes))
        counted = seen.importance.at(positions, seen.wanted.shape)
    flat = (seen.samples, 1, *seen.wanted.shape[2:])
    importance = np.ones(flat, np.float32) if counted is None else counted.reshape(flat)
    other = seen.values[1] if len(seen.values) > 1 else np.zeros(flat, np.float32)
    return FitSamples(data, seen.wanted, other, importance)
