"""Measures that need no labels: a network is compared with the original by what it is used for.

A metric that can make labels of outputs (`prunus.task.TruthMaker`) measures agreement: the answers
of the original network take the place of labels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs
import onnx_ir as ir

from prunus.errors import DataError, UsageError
from prunus.evaluation.class_scores import divergences
from prunus.evaluation.metrics import Top, gives_probabilities, mean_of
from prunus.network import Network
from prunus.task import Array, Measurement, Metric, TruthMaker


@attrs.frozen
class Agreement:
    """A metric with the original network's answers as labels.

    Attributes:
        metric: What measures; of `TruthMaker` too.
        name, needs_labels: As in `Metric`.
    """

    metric: Metric
    name: str = "agreement"
    needs_labels: bool = False

    @property
    def higher_is_better(self) -> bool:
        """As of the metric."""
        return self.metric.higher_is_better

    def truth(self, outputs: Mapping[str, Array]) -> Any:
        """Labels that a network's outputs stand for."""
        assert isinstance(self.metric, TruthMaker)
        return self.metric.truth(outputs)

    def observe(
        self, outputs: Mapping[str, Array], reference: Mapping[str, Array], labels: Any
    ) -> Any:
        """As of the metric; ``labels`` are not read."""
        return self.metric.observe(outputs, reference, self.truth(reference))

    def result(self, observations: Sequence[Any]) -> Measurement:
        """As of the metric.

        Raises:
            DataError: the original network gives no answers at all.
        """
        try:
            return self.metric.result(observations)
        except DataError as error:
            raise DataError(
                "metric agreement: the original network detects nothing in these samples; "
                "give others, or use --metric fidelity"
            ) from error


@attrs.frozen
class Divergence:
    """Kullback-Leibler divergence of the classes' probabilities from the original's, in nats.

    Mean over samples of sum over c of p_c (ln p_c - ln q_c), with p of the original network.

    Attributes:
        output: Graph output with the scores of classes.
        softmax: False for an output that holds probabilities already.
        name, higher_is_better, needs_labels: As in `Metric`.
    """

    output: str
    softmax: bool = True
    name: str = "divergence"
    higher_is_better: bool = False
    needs_labels: bool = False

    def observe(
        self, outputs: Mapping[str, Array], reference: Mapping[str, Array], labels: Any
    ) -> Any:
        """``(N,)`` divergence of each sample."""
        wanted, found = reference[self.output], outputs[self.output]
        return divergences(wanted, found, softmax=self.softmax)

    def result(self, observations: Sequence[Any]) -> Measurement:
        """Mean over samples."""
        return mean_of(observations)


def agreement_of(network: Network) -> Agreement | None:
    """Agreement in what a network is used for; ``None`` where that is not known.

    By the network's own metric, where it can make labels; of a network without a metric of its own
    and with one output ``(N, C)``, in the top class.
    """
    output = class_output(network)
    if output is not None:
        return Agreement(Top(1, output))
    own = network.task.metric
    known = isinstance(own, TruthMaker) and not isinstance(own, Top)
    return Agreement(own) if own is not None and known else None


def divergence_of(network: Network) -> Divergence | None:
    """Divergence of a classifier's probabilities; ``None`` for other networks."""
    output = class_output(network)
    if output is None:
        return None
    value = next(value for value in network.model.graph.outputs if value.name == output)
    return Divergence(output, softmax=not gives_probabilities(value))


def class_output(network: Network) -> str | None:
    """The graph output that holds one score a class; ``None`` where none is known to."""
    outputs = network.model.graph.outputs
    own = network.task.metric
    if isinstance(own, Top):
        name = own.output or str(outputs[-1].name)
        return name if any(value.name == name for value in outputs) else None
    if own is not None or len(outputs) != 1 or not _is_scores(outputs[0]):
        return None
    return str(outputs[0].name)


def agreement_asked(network: Network) -> Agreement:
    """As `agreement_of`, where the user asks for it.

    Raises:
        UsageError: it is not known what the network is used for.
    """
    found = agreement_of(network)
    if found is None:
        raise UsageError(
            "metric agreement: no output is known to hold classes or detections; "
            "use --metric fidelity"
        )
    return found


def divergence_asked(network: Network) -> Divergence:
    """As `divergence_of`, where the user asks for it.

    Raises:
        UsageError: the network is no classifier.
    """
    found = divergence_of(network)
    if found is None:
        raise UsageError(
            "metric divergence: no output is known to hold scores of classes; use --metric fidelity"
        )
    return found


def _is_scores(value: ir.Value) -> bool:
    """``(N, C)`` with at least two classes, perhaps with axes of one behind."""
    shape = None if value.shape is None else list(value.shape)[1:]
    if not shape or not isinstance(shape[0], int):
        return False
    return shape[0] > 1 and all(size == 1 for size in shape[1:])
