"""Loss of whole plans on held-out samples, compensated in one shot (`one_pass`) or by layers."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from prunus.evaluation.session import Session, Structure
from prunus.graph.macs import layer_macs
from prunus.graph.release import collect_copies, is_large, return_memory
from prunus.grouping.find import Grouping
from prunus.masking import mask
from prunus.network import Network
from prunus.recovery.held_out import Outputs, distance, outputs_of, split, without_part
from prunus.recovery.one_pass import Keep, OnePass
from prunus.recovery.recover import recover_once
from prunus.recovery.sample_counts import Samples, count_of, spread
from prunus.recovery.set_aside import Weights

_FITTED = 512
"""Most samples that a plan is compensated with by layers, to be compared with others."""

_JUDGED = 3
"""One of so many samples compares plans that are compensated by layers; at most 256 do."""

_FEW = 512
"""Samples below which each third compares plans in turn: one third alone is a matter of luck."""

_MOST = 256

_FOLDS = 4
"""Parts of few samples, each of which judges in turn what the others were fitted to."""

_FOLDED = 128
"""Samples below which all judge a plan: a search fits the few that would be held out."""

_WORK = 4 * 10**10
"""Most MACs of a trial for which all samples are run, so that hundreds of trials stay cheap."""


class Trials:
    """Compensates plans for one network, and measures them."""

    def __init__(self, network: Network, grouping: Grouping, samples: Samples, seed: int) -> None:
        """Split the samples; nothing is computed yet.

        Args:
            network: The network with its weights whole.
            grouping: Its groups.
            samples: Graph input name -> ``(N, ...)``, enough of them to hold some out.
            seed: Chooses positions of the activations.

        Raises:
            ValueError: too few samples to hold any out.
        """
        self._network, self._grouping, self._seed = network, grouping, seed
        folds = _folds(network, grouping, samples)
        self._folds = [
            (OnePass(network, grouping, fitted, seed), judged) for fitted, judged in folds
        ]
        self._samples = folds[0][0] if len(folds) == 1 else samples
        self._turns = range(_JUDGED if count_of(self._samples) < _FEW else 1)
        self._structure = Structure(network.model, samples=self.samples)

    @property
    def samples(self) -> int:
        """Samples that judge in one trial."""
        return sum(count_of(judged) for _, judged in self._folds)

    def loss(self, keep: Keep) -> float:
        """Distance of the compensated plan's outputs from the original's (`held_out.distance`).

        Of few samples the mean over parts, each judging a plan compensated with the others.
        """
        losses = [
            self._judged(fit.weights(keep), judged, wanted)
            for (fit, judged), wanted in zip(self._folds, self._wanted, strict=True)
        ]
        return float(np.average(losses, weights=[count_of(judged) for _, judged in self._folds]))

    def _judged(self, weights: Weights, judged: Samples, wanted: list[Outputs]) -> float:
        return_memory(self._network.model)  # of the fit: the engine needs as much again
        if not weights.keys() <= self._structure.weights.keys():
            names = weights.keys() | self._structure.weights.keys()
            self._structure = Structure(self._network.model, names, self.samples)
        found = outputs_of(
            Session(self._structure.replaced(weights), samples=count_of(judged)),
            self._grouping,
            judged,
        )
        collect_copies(self._network.model)  # the engine's memory of one trial after the other
        return distance(self._network, found, wanted)

    @property
    def fitted(self) -> int:
        """Samples that `compensated_losses` compensates with, of all parts together."""
        return sum(count_of(fitted) for fitted, _ in map(self._parted, self._turns))

    def compensated_losses(self, keep: Keep) -> list[float]:
        """Distances of the plan's outputs, its consumers compensated layer by layer.

        One a part of the samples, none of which `loss` ever sees where they are many: a plan found
        by `loss` fits those that it sees.
        """
        if is_large(self._network.model):
            self._forget()
        return [
            self._compensated(keep, *self._parted(turn), wanted)
            for turn, wanted in zip(self._turns, self._wanted_by_layers, strict=True)
        ]

    def _compensated(
        self, keep: Keep, fitted: Samples, judged: Samples, wanted: list[Outputs]
    ) -> float:
        ready = recover_once(self._network, self._grouping, keep, fitted, self._seed)
        masked = mask(ready, self._grouping, keep)
        del ready  # of large networks no more than the original and one other beside a session
        collect_copies(self._network.model)
        found = self._outputs(masked, judged)
        del masked
        collect_copies(self._network.model)
        return distance(self._network, found, wanted)

    def _forget(self) -> None:
        """Free the sums and weights of `loss`: a compensation of large weights needs the memory."""
        for fit, _ in self._folds:
            fit.forget()
        self._structure = Structure(self._network.model, samples=self.samples)

    def _outputs(self, network: Network, samples: Samples) -> list[Outputs]:
        session = Session(network.model, samples=count_of(samples))
        return outputs_of(session, self._grouping, samples)

    def _parted(self, turn: int) -> tuple[Samples, Samples]:
        """Samples to compensate with layer by layer, and others to compare plans on: one third."""
        fitted, others = without_part(self._samples, _JUDGED, _JUDGED - 1 - turn)
        return (
            spread(fitted, min(count_of(fitted), _FITTED)),
            spread(others, min(count_of(others), _MOST)),
        )

    @cached_property
    def _wanted(self) -> list[list[Outputs]]:
        return [self._outputs(self._network, judged) for _, judged in self._folds]

    @cached_property
    def _wanted_by_layers(self) -> list[list[Outputs]]:
        parts = map(self._parted, self._turns)
        return [self._outputs(self._network, judged) for _, judged in parts]


def _folds(network: Network, grouping: Grouping, samples: Samples) -> list[tuple[Samples, Samples]]:
    """Samples to fit to, and others that judge: of few samples each part in turn."""
    fitted, held_out = split(samples)
    if held_out is None:
        raise ValueError("too few samples to hold any out")
    macs = sum(layer_macs(network.model, grouping.labelling.dims).values())
    if count_of(samples) < _FOLDED and 2 * count_of(samples) * macs <= _WORK:
        return [without_part(samples, _FOLDS, number) for number in range(_FOLDS)]
    return [(fitted, held_out)]
