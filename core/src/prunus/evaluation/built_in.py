"""The built-in metrics of one name; what measures is imported when it is used."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from prunus.descriptors import Descriptor, NamedMetric
from prunus.hookspecs import hookimpl

if TYPE_CHECKING:
    from prunus.network import Network
    from prunus.task import Metric


@hookimpl
def prunus_register() -> Iterable[Descriptor]:
    """Five metrics; ``top-K`` for any K is not a name."""
    return (
        NamedMetric(
            "agreement",
            "likeness of classes or detections to the original network's; needs no labels",
            _agreement,
        ),
        NamedMetric(
            "divergence",
            "of a classifier's probabilities from the original network's; needs no labels",
            _divergence,
        ),
        NamedMetric(
            "accuracy",
            "share of samples whose label has the highest output; top-K: K highest",
            _hits,
        ),
        NamedMetric(
            "fidelity",
            "likeness of the raw outputs to the original network's; needs no labels",
            _likeness,
        ),
        NamedMetric("loss", "mean softmax cross-entropy", _cross_entropy),
    )


def _agreement(network: Network) -> Metric:
    from prunus.evaluation.agreement import agreement_asked

    return agreement_asked(network)


def _divergence(network: Network) -> Metric:
    from prunus.evaluation.agreement import divergence_asked

    return divergence_asked(network)


def _hits(network: Network) -> Metric:
    from prunus.evaluation.metrics import Top

    return Top(1, name="accuracy")


def _likeness(network: Network) -> Metric:
    from prunus.evaluation.metrics import Fidelity

    return Fidelity()


def _cross_entropy(network: Network) -> Metric:
    from prunus.evaluation.metrics import CrossEntropy, gives_probabilities

    return CrossEntropy(softmax=not gives_probabilities(network.model.graph.outputs[-1]))
