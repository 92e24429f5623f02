"""The samples and the metric that a network is measured with."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from prunus.descriptors import Format
from prunus.errors import DataError, UsageError
from prunus.evaluation.data import open_data
from prunus.evaluation.evaluator import Evaluator
from prunus.evaluation.metrics import Fidelity, Top, top_named
from prunus.evaluation.registered import Makers
from prunus.evaluation.user_metric import fed_samples, user_metric
from prunus.network import Network
from prunus.task import Array, Batch, Dataset, Metric
from prunus.trust import names_function

CALIBRATION = 256
"""Inputs that channels are scored and consumers compensated on, at most."""


def open_samples(descriptor: Format, network: Network, spec: str, *, training: bool) -> Dataset:
    """Open a data specification in the format's own terms, else in those of all formats.

    Raises:
        DataError: missing, empty, or not fitting the network's inputs.
    """
    if descriptor.data is not None:
        dataset = descriptor.data(spec, network, training)
        if dataset is not None:
            return dataset
    return open_data(spec, network)


def evaluator_on(
    data: Dataset | None,
    descriptor: Format,
    network: Network,
    reference: Network,
    metric: str | None = None,
    samples: int | None = None,
    *,
    registered: Makers,
) -> Evaluator | None:
    """Samples and metric, or ``None`` where no data feeds every input.

    The output of an opaque layer is an input that no data set holds: behind it nothing can be
    computed.

    Args:
        data: Held-out samples; a metric function of the user's may bring its own.
        descriptor: Format of the network.
        network: The network to measure.
        reference: The unpruned network, which fidelity compares with.
        metric: Name of the metric; the network's own without it, else top-1 with labels and
            fidelity without.
        samples: How many samples to use; all without it.
        registered: Metrics of plugins for every format.

    Raises:
        DataError: there are no samples, or no labels where the metric needs them.
        UsageError: no such metric.
    """
    if data is None and metric is not None and names_function(metric):
        own = user_metric(metric)
        return Evaluator(reference, fed_samples(own, reference.model), own)
    if data is None:
        return None
    if not len(data):
        raise DataError("no samples: the data set is empty")
    if not feeds(data.read(np.zeros(1, np.int64), None), network):
        return None
    chosen = metric_for(descriptor, network, metric, data, registered)
    return Evaluator(reference, data, chosen, samples)


def metric_for(
    descriptor: Format, network: Network, name: str | None, data: Dataset, registered: Makers
) -> Metric:
    """The metric asked for, else the network's own, else top-1 with labels, fidelity without.

    Raises:
        DataError: the metric needs labels and there are none.
        UsageError: no such metric.
    """
    own = network.task.metric
    labelled = data.read(np.zeros(1, np.int64), None).labels is not None
    if name is None:
        if own is not None and (labelled or not own.needs_labels):
            return own
        return Top(1) if labelled else Fidelity()
    metric = _by_name(descriptor, network, name, registered)
    if metric.needs_labels and not labelled:
        raise DataError(
            f"metric '{metric.name}' needs labels and the data has none; use --metric fidelity"
        )
    return metric


def some_inputs(data: Dataset, network: Network, count: int) -> Mapping[str, Array] | None:
    """Up to ``count`` inputs, spread evenly over a data set; labels are not used.

    Returns:
        Graph input name -> ``(N, ...)``; ``None`` where the data is empty or does not feed every
        input.

    Raises:
        DataError: the samples are of another shape.
    """
    if not len(data):
        return None
    chosen = np.linspace(0, len(data) - 1, min(count, len(data))).round().astype(np.int64)
    batch = data.read(chosen, None)
    return batch.inputs if feeds(batch, network) else None


def feeds(batch: Batch, network: Network) -> bool:
    """Whether samples hold every input of a network.

    Raises:
        DataError: they are of another shape.
    """
    for value in network.model.graph.inputs:
        name = value.name or ""
        if name not in batch.inputs:
            if name in network.model.graph.initializers:
                continue
            return False
        found = batch.inputs[name].shape[1:]
        wanted = tuple(value.shape or ())[1:]
        if len(found) != len(wanted) or any(
            isinstance(size, int) and size != given
            for size, given in zip(wanted, found, strict=True)
        ):
            raise DataError(
                f"samples of shape {found} do not fit input '{name}' of shape "
                f"({', '.join(map(str, wanted))})"
            )
    return True


def _by_name(descriptor: Format, network: Network, name: str, registered: Makers) -> Metric:
    own = network.task.metric
    if own is not None and own.name == name:
        return own
    makers = {**registered, **descriptor.metrics}
    if name in makers:
        return makers[name](network)
    found = user_metric(name) if names_function(name) else top_named(name)
    if found is None:
        known = ["top-K", *makers] if own is None else ["top-K", *makers, own.name]
        raise UsageError(f"unknown metric '{name}'; there are: {', '.join(dict.fromkeys(known))}")
    return found
