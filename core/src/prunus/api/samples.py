"""What users give as samples, as evaluators and inputs."""

from __future__ import annotations

from collections.abc import Mapping

from prunus.evaluation.choice import calibration_count, evaluator_on, some_inputs
from prunus.evaluation.evaluator import Evaluator
from prunus.evaluation.registered import registered_metrics
from prunus.network import Network
from prunus.results import format_named, host
from prunus.samples import Samples, dataset_of
from prunus.task import Array, Dataset


def evaluator_for(
    network: Network, data: Samples, metric: str | None, samples: int | None
) -> Evaluator | None:
    """The evaluator of a network on given samples, or on its own; ``None`` without any."""
    descriptor = format_named(network.format)
    found = dataset_of(descriptor, network, data)
    known = registered_metrics(host())
    return evaluator_on(found, descriptor, network, network, metric, samples, registered=known)


def inputs_of(network: Network, data: Samples) -> Mapping[str, Array] | None:
    """Some inputs; the network's own data set is not read unless asked for."""
    if data is None:
        return None
    found: Dataset | None = dataset_of(format_named(network.format), network, data, training=True)
    return None if found is None else some_inputs(found, network, calibration_count(network))
