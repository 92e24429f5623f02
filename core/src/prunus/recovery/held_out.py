"""Samples that no weight is fitted to: they tell whether a compensation helps the whole network."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from prunus.evaluation.class_scores import divergences
from prunus.evaluation.metrics import gives_probabilities
from prunus.evaluation.session import Session
from prunus.graph.release import collect_copies
from prunus.grouping.find import Grouping
from prunus.masking import mask
from prunus.network import Network
from prunus.recovery.sample_counts import Samples, count_of
from prunus.recovery.set_aside import Weights, set_aside
from prunus.task import AnswerDistance

_SHARE = 8
"""One sample of so many is held out."""

_SMALL = 64
"""Samples below which twice that share is held out: an eighth would be too few to judge by."""

_FEWEST = 16
"""Samples below which none is held out: too few to judge by, and each is needed for the fit."""

_MOST = 256
"""Most samples held out."""

Outputs = dict[str, NDArray[np.float32]]


def are_enough(samples: Samples) -> bool:
    """Whether some samples can be held out."""
    return count_of(samples) >= _FEWEST


def split(samples: Samples) -> tuple[Samples, Samples | None]:
    """Samples to fit to, and samples to judge by, spread over all; ``None`` of few."""
    if not are_enough(samples):
        return samples, None
    count = count_of(samples)
    share = _SHARE if count >= _SMALL else _SHARE // 2
    stride = max(share, -(-count // _MOST))
    return without_part(samples, stride, stride - 1)


def without_part(samples: Samples, parts: int, number: int) -> tuple[Samples, Samples]:
    """Samples without one of some parts, each spread over all of them, and that part."""
    judged = np.arange(count_of(samples)) % parts == number
    return (
        {name: array[~judged] for name, array in samples.items()},
        {name: array[judged] for name, array in samples.items()},
    )


class Judge:
    """Tells how near a network with changed weights, masked, is to the original."""

    def __init__(
        self,
        network: Network,
        grouping: Grouping,
        keep: Mapping[str, NDArray[np.bool_]],
        samples: Samples,
    ) -> None:
        """Run the original.

        Args:
            network: The original network.
            grouping: Its groups.
            keep: Group name -> ``(C,)`` bool.
            samples: Held-out samples.
        """
        self._network, self._grouping, self._keep = network, grouping, keep
        self._samples = samples
        self._wanted = self._outputs(network)

    def distance(self, weights: Weights) -> float:
        """`distance` of the network with other weights."""
        masked = mask(self._network.with_weights(weights), self._grouping, self._keep)
        found = distance(self._network, self._outputs(masked), self._wanted)
        del masked
        collect_copies(self._network.model)
        return found

    def nearest(self, states: Iterable[Weights]) -> Weights:
        """The nearest of changed weights.

        Each is judged as it comes: none but the last one is held in memory, where weights are
        large (`set_aside`).

        Args:
            states: Candidates, at least one.
        """
        best, least = None, np.inf
        for weights in states:
            found = self.distance(weights)
            if best is None or found < least:
                best, least = set_aside(weights), found
            del weights  # they would be held while the next ones are made
        assert best is not None
        return best()

    def number_of_nearest(self, states: Iterable[Weights]) -> int:
        """The place of the nearest among changed weights, of which none but the last are held."""
        return int(np.argmin(list(map(self.distance, states))))

    def _outputs(self, network: Network) -> list[Outputs]:
        session = Session(network.model, samples=count_of(self._samples))
        return outputs_of(session, self._grouping, self._samples)


def outputs_of(session: Session, grouping: Grouping, samples: Samples) -> list[Outputs]:
    """Outputs batch by batch."""
    count = count_of(samples)
    size = grouping.labelling.samples_at_once(session.outputs)
    return [
        session.run({name: array[start : start + size] for name, array in samples.items()})
        for start in range(0, count, size)
    ]


def distance(network: Network, found: Sequence[Outputs], wanted: Sequence[Outputs]) -> float:
    """How far outputs are from those of the original network; ``inf`` where they are no numbers.

    By the network's own metric, where that tells distances (`prunus.task.AnswerDistance`). Else
    every output counts by its squared relative distance, and what may be scores of classes by their
    Kullback-Leibler divergence in nats too.
    """
    metric = network.task.metric
    if isinstance(metric, AnswerDistance):
        parts = [metric.distance(*pair) for pair in zip(found, wanted, strict=True)]
        own = float(np.concatenate(parts).mean())
        return own if np.isfinite(own) else np.inf
    total = 0.0
    for value in network.model.graph.outputs:
        pairs = [
            (one[value.name or ""].astype(np.float64), other[value.name or ""].astype(np.float64))
            for one, other in zip(found, wanted, strict=True)
        ]
        total += _missed(pairs) + (_divergence(value, pairs) if _is_classes(pairs) else 0.0)
    return total if np.isfinite(total) else np.inf


Pairs = Sequence[tuple[NDArray[np.float64], NDArray[np.float64]]]


def _is_classes(pairs: Pairs) -> bool:
    """Whether an output holds one score a class: ``(N, C)``, perhaps with axes of one behind."""
    shape = pairs[0][1].shape
    return len(shape) > 1 and shape[1] > 1 and set(shape[2:]) <= {1}


def _divergence(value: ir.Value, pairs: Pairs) -> float:
    """Mean over samples of KL(original, found)."""
    softmax = not gives_probabilities(value)
    with np.errstate(invalid="ignore", over="ignore"):
        parts = [divergences(wanted, found, softmax=softmax) for found, wanted in pairs]
    return float(np.concatenate(parts).mean())


def _missed(pairs: Pairs) -> float:
    missed = sum(float(np.sum((found - wanted) ** 2)) for found, wanted in pairs)
    size = sum(float(np.sum(wanted**2)) for _, wanted in pairs)
    return missed / size if size else missed
