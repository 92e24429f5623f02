"""The samples and the metric that a network is measured with."""

from __future__ import annotations

import math
from collections.abc import Mapping

import attrs
import numpy as np

from prunus.descriptors import Format
from prunus.errors import DataError, UsageError
from prunus.evaluation.agreement import Agreement, agreement_of, divergence_of
from prunus.evaluation.data import open_data
from prunus.evaluation.evaluator import Evaluator
from prunus.evaluation.metrics import Fidelity, Top, top_named
from prunus.evaluation.registered import Metrics
from prunus.evaluation.session import Session
from prunus.evaluation.user_metric import fed_samples, user_metric
from prunus.graph.batches import samples_at_once
from prunus.host import OWN
from prunus.near import meant
from prunus.network import Network
from prunus.task import Array, Batch, Dataset, Metric
from prunus.trust import names_function

_CALIBRATION = 4096
"""Inputs that channels are scored and consumers compensated on, at most."""

_HELD = 2**29
"""Bytes of these inputs, at most."""

_ANSWERED = 32
"""Samples in which an original network must detect something to be agreed with."""

SILENT = (
    f"the original network detects nothing in {_ANSWERED} of the samples: its raw outputs are "
    "compared instead (fidelity)"
)


def calibration_count(network: Network) -> int:
    """How many inputs channels are scored and consumers compensated on, where there are as many."""
    shapes = [tuple(value.shape or ())[1:] for value in network.model.graph.inputs]
    sample = sum(4 * math.prod(n for n in shape if isinstance(n, int)) for shape in shapes)
    return max(1, min(_CALIBRATION, _HELD // max(sample, 1)))


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
    registered: Metrics,
) -> Evaluator | None:
    """Samples and metric, or ``None`` where no data feeds every input.

    The output of an opaque layer is an input that no data set holds: behind it nothing can be
    computed.

    Args:
        data: Held-out samples; a metric function of the user's may bring its own.
        descriptor: Format of the network.
        network: The network to measure.
        reference: The unpruned network, which fidelity compares with.
        metric: Name of the metric; without it as `metric_for`.
        samples: How many samples to use; all without it.
        registered: Metrics of plugins.

    Raises:
        DataError: there are no samples, or no labels where the metric needs them.
        UsageError: no such metric.
    """
    if data is None and metric is not None and names_function(metric):
        own = user_metric(metric)
        fed = fed_samples(own, reference.model)
        return Evaluator(reference, fed, own, beside=_beside(network, own))
    if data is None:
        if metric is not None:
            _check_known(descriptor, network, metric, registered)
        return None
    if not len(data):
        raise DataError("no samples: the data set is empty")
    if not feeds(data.read(np.zeros(1, np.int64), None), network):
        return None
    chosen = metric_for(descriptor, network, metric, data, registered)
    given = chosen.metric if isinstance(chosen, Agreement) else chosen
    owner = (
        registered.formats.get(descriptor.name)
        if given is network.task.metric
        else registered.distribution(metric, descriptor)
    )
    found = Evaluator(
        reference,
        data,
        chosen,
        samples,
        samples_at_once(reference.model),
        owner=None if owner == OWN else owner,
        beside=_beside(network, chosen),
    )
    if metric is None and isinstance(chosen, Agreement) and not _answers(found, chosen):
        return attrs.evolve(found, metric=Fidelity(), beside=(), warning=SILENT)
    return found


def metric_for(
    descriptor: Format, network: Network, name: str | None, data: Dataset, registered: Metrics
) -> Metric:
    """The metric asked for, else the network's own, else top-1 with labels.

    Without labels: agreement with the original network in classes or detections, where the network
    is known to give some; else fidelity.

    Raises:
        DataError: the metric needs labels and there are none.
        UsageError: no such metric.
    """
    own = network.task.metric
    labelled = data.read(np.zeros(1, np.int64), None).labels is not None
    if name is None:
        if own is not None and (labelled or not own.needs_labels):
            return own
        return Top(1) if labelled else agreement_of(network) or Fidelity()
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


def _beside(network: Network, metric: Metric) -> tuple[Metric, ...]:
    """The measures without labels that are shown beside a metric."""
    found = (agreement_of(network), divergence_of(network))
    return tuple(one for one in found if one is not None and one.name != metric.name)


def _answers(evaluator: Evaluator, agreement: Agreement) -> bool:
    """Whether the original network gives answers that another one can agree with."""
    if isinstance(agreement.metric, Top):
        return True  # some class is always the first
    inputs = evaluator.calibration(_ANSWERED)
    session = Session(evaluator.reference.model, samples=_ANSWERED)
    size = evaluator.batch_size
    for start in range(0, _ANSWERED, size):
        part = {name: array[start : start + size] for name, array in inputs.items()}
        if len(next(iter(part.values()))):
            outputs = session.run(part)
            with evaluator.blames("truth"):
                truth = agreement.truth(outputs)
            if any(np.size(one) for one in truth):
                return True
    return False


def _by_name(descriptor: Format, network: Network, name: str, registered: Metrics) -> Metric:
    own = network.task.metric
    if own is not None and own.name == name:
        return own
    if name in registered.names(descriptor):
        return registered.make(name, descriptor, network)
    found = user_metric(name) if names_function(name) else top_named(name)
    if found is None:
        raise _unknown(descriptor, network, name, registered)
    return found


def _check_known(descriptor: Format, network: Network, name: str, registered: Metrics) -> None:
    """A wrong name is told without samples too; the metric itself is not made."""
    own = network.task.metric
    known = registered.names(descriptor) + ([] if own is None else [own.name])
    if name not in known and top_named(name) is None:
        raise _unknown(descriptor, network, name, registered)


def _unknown(descriptor: Format, network: Network, name: str, registered: Metrics) -> UsageError:
    own = network.task.metric
    named = [] if own is None else [own.name]
    names = dict.fromkeys(["top-K", *registered.names(descriptor), *named])
    return UsageError(
        f"unknown metric '{name}'; there are: {', '.join(names)}{meant(name, names)}"
        f"{registered.failures}"
    )
