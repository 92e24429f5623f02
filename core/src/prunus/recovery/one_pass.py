"""Plans compensated in one shot, each from the same sums of one pass over the samples.

The sums of products of every consumer's features are gathered once, on activations of the original
network. A plan is then compensated by small solves, without the drift of earlier layers: less exact
than `recover`, and cheap enough to compare hundreds of plans. The sums also tell how much of a
consumer's output a plan leaves missing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from prunus.evaluation.session import Session
from prunus.folding import Consumer, all_consumers, channel_means, folded
from prunus.graph.macs import layer_macs
from prunus.grouping.find import Grouping
from prunus.masking import masked_weights
from prunus.network import Network
from prunus.recovery.design import Design
from prunus.recovery.find_designs import design_of
from prunus.recovery.importance import answers_for, importance_by
from prunus.recovery.missing import missing_shares
from prunus.recovery.moments import Gathering, Moments, held_by_ridge, together
from prunus.recovery.positions import draw_positions
from prunus.recovery.regression import Problem, solve_problem
from prunus.recovery.sample_counts import Samples, spread

_SAMPLES = 512
"""Most samples the sums are gathered from."""

_WORK = 2 * 10**12
"""Bound on the MACs of gathering the sums: a minute on two cores."""

_FEWEST = 16

_BATCH = 8

_ROWS = 2**14
"""Positions of one consumer, over all samples."""

_FEATURES = 576
"""Most features of a consumer that is compensated; the others' lost means are folded."""

_CHECKED = 4
"""One batch of so many tells how far a fit can be trusted."""

_RIDGE = 1e-3
"""Share of the mean variance of the features, added to the diagonal."""

_WAITING = 2**24
"""Numbers of rows, of all consumers together, that wait to be multiplied: 64 MB."""

_REMEMBERED = 4
"""Solutions of one consumer that are kept."""

Keep = Mapping[str, NDArray[np.bool_]]


class OnePass:
    """Compensates plans for one network."""

    def __init__(self, network: Network, grouping: Grouping, samples: Samples, seed: int) -> None:
        """Choose the samples; nothing is computed yet.

        Args:
            network: The network with its weights whole.
            grouping: Its groups.
            samples: Graph input name -> ``(N, ...)``.
            seed: Chooses positions of the activations.
        """
        self._network, self._grouping = network, grouping
        macs = max(1, sum(layer_macs(network.model, grouping.labelling.dims).values()))
        available = len(next(iter(samples.values())))
        self._fitted = spread(samples, min(_SAMPLES, available, max(_FEWEST, _WORK // macs)))
        self._seed = seed

    def masked(self, keep: Keep) -> Network:
        """A plan, compensated and masked."""
        return self._network.with_weights(self.weights(keep))

    def weights(self, keep: Keep) -> dict[str, NDArray[Any]]:
        """Weights that a plan changes, compensated and masked: initializer -> array."""
        changed = self.compensated(keep)
        weights = self._network.weights() | changed
        return changed | masked_weights(self._network, self._grouping, keep, weights)

    def compensated(self, keep: Keep) -> dict[str, NDArray[Any]]:
        """Changed weights and biases of consumers: initializer -> array."""
        consumers = all_consumers(self._network, self._grouping, keep)
        plain: list[Consumer] = []
        changed: dict[str, NDArray[Any]] = {}
        for consumer, fit in zip(consumers, self._fits, strict=True):
            if consumer.removed.any():
                if fit is None:
                    plain.append(consumer)
                else:
                    changed |= fit.compensated(consumer, self._network)
        return folded(self._network, plain, self._means) | changed

    def missing(self, plans: Sequence[Keep]) -> list[float | None]:
        """Share of the variance of the consumers' outputs that compensation leaves missing.

        One a plan: the mean over the consumers that it takes channels from; ``None`` where none can
        be fitted. A plan that removes more leaves no less missing.
        """
        consumers = [all_consumers(self._network, self._grouping, keep) for keep in plans]
        shares: list[list[float]] = [[] for _ in plans]
        for number, fit in enumerate(self._fits):
            alternatives = [of_plan[number] for of_plan in consumers]
            losing = [n for n, one in enumerate(alternatives) if one.removed.any()]
            if fit is not None and losing:
                found = fit.missing([alternatives[n] for n in losing])
                for n, share in zip(losing, found, strict=True):
                    shares[n].append(share)
        return [float(np.mean(one)) if one else None for one in shares]

    def forget(self) -> None:
        """Free the sums and solutions; the next plan computes them anew."""
        self.__dict__.pop("_fits", None)

    @cached_property
    def _designs(self) -> list[Design | None]:
        """One a consumer; ``None`` where its lost means are folded."""
        consumers = all_consumers(self._network, self._grouping, {})
        found = [design_of(consumer, self._network, self._grouping) for consumer in consumers]
        return [
            design
            if design is not None and design.blocks == 1 and design.features <= _FEATURES
            else None
            for design in found
        ]

    @cached_property
    def _means(self) -> Mapping[str, NDArray[np.float64]]:
        consumers = all_consumers(self._network, self._grouping, {})
        pairs = zip(consumers, self._designs, strict=True)
        names = tuple(dict.fromkeys(c.data for c, design in pairs if design is None))
        if not names:
            return {}
        return channel_means(self._network, self._grouping, names, self._fitted)

    @cached_property
    def _fits(self) -> list[_Fit | None]:
        sums = self._sums()
        return [
            None if design is None else _Fit(design, sums[n][False].total(), sums[n][True].total())
            for n, design in enumerate(self._designs)
        ]

    def _sums(self) -> dict[int, tuple[Gathering, Gathering]]:
        """Of the features of each consumer, by its number: to fit to, and to check the fit."""
        designs = {n: design for n, design in enumerate(self._designs) if design is not None}
        names = dict.fromkeys(
            v for d in designs.values() for v in (d.consumer.data, d.target.value)
        )
        if not names:
            return {}
        count = len(next(iter(self._fitted.values())))
        wanted = dict.fromkeys((*names, *answers_for(self._network)))
        session = Session(self._network.model, list(wanted), samples=count)
        draw = np.random.default_rng(self._seed)
        size = self._grouping.labelling.samples_at_once(names, _BATCH)
        rows = -(-_ROWS * size // count)
        waiting = _WAITING // (2 * len(designs))
        sums = {number: (Gathering(waiting), Gathering(waiting)) for number in designs}
        for index, start in enumerate(range(0, count, size)):
            checks = index % _CHECKED == _CHECKED - 1
            batch = {n: array[start : start + size] for n, array in self._fitted.items()}
            values = session.run(batch)
            here = importance_by(self._network, values)
            for number, design in designs.items():
                data, target = (
                    np.moveaxis(values[name], design.axis, 1)
                    for name in (design.consumer.data, design.target.value)
                )
                positions = draw_positions(target, rows, draw)
                weights = None if here is None else here.at(positions, target.shape)
                sums[number][checks].add(design.rows(data, positions), weights)
        return sums


@attrs.frozen(eq=False)
class _Fit:
    """A consumer and the sums over all its features, of samples that fit and that check.

    Plans that are compared differ in few groups: the last solutions are kept.
    """

    design: Design
    fitted: Moments | None
    checked: Moments | None
    solved: dict[bytes, Mapping[str, NDArray[Any]]] = attrs.field(factory=dict)

    def compensated(self, consumer: Consumer, network: Network) -> Mapping[str, NDArray[Any]]:
        """Changed weights for the removed channels of a plan: initializer -> array."""
        removed = consumer.removed.tobytes()
        if removed not in self.solved:
            if len(self.solved) == _REMEMBERED:
                del self.solved[next(iter(self.solved))]
            design = attrs.evolve(self.design, consumer=consumer)
            solution = solve_problem(_problem(design, self))
            self.solved[removed] = design.changes(network, [solution])
        return self.solved[removed]

    def missing(self, alternatives: Sequence[Consumer]) -> list[float]:
        """Share of the output's variance that the channels left cannot give.

        One for each way to remove channels (`recovery.missing`).
        """
        sums = together(self.fitted, self.checked)
        if sums is None:
            return [0.0] * len(alternatives)
        designs = [attrs.evolve(self.design, consumer=consumer) for consumer in alternatives]
        kept = np.stack([design.kept()[0] for design in designs])
        products = held_by_ridge(sums.inner(self.design.centred), _RIDGE)
        return missing_shares(products, self.design.outputs(), kept)


def _problem(design: Design, fit: _Fit) -> Problem:
    """Kept features take over what the removed ones gave, by the sums of both."""
    kept, start, lost = design.parts()
    fitted, checked = (_part(sums, kept, lost) for sums in (fit.fitted, fit.checked))
    return Problem(fitted, checked, start, design.readers()[0], design.centred)


def _part(
    sums: Moments | None, kept: NDArray[np.bool_], lost: NDArray[np.float64]
) -> Moments | None:
    if sums is None:
        return None
    return Moments(
        sums.count,
        sums.features[kept],
        sums.products[np.ix_(kept, kept)],
        sums.features @ lost,
        sums.products[kept] @ lost,
    )
