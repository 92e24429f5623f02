"""Opening what the options name: network, samples, metric."""

from __future__ import annotations

import glob
from pathlib import Path

import attrs
import numpy as np

from prunus.descriptors import Format
from prunus.errors import DataError, ModelError, UsageError
from prunus.evaluation.data import open_data
from prunus.evaluation.evaluator import Evaluator
from prunus.evaluation.metrics import Fidelity, Top, metric_named
from prunus.evaluation.user_metric import fed_samples, user_metric
from prunus.host import Host
from prunus.network import Network, Source
from prunus.prunable import Prunable, prunable
from prunus.settings import Settings
from prunus.task import Batch, Dataset, Metric
from prunus.trust import check_code, names_function

NAMED = ("solver", "metric", "data")
"""Format options with a place of their own in the settings."""


BEHIND_OPAQUE = "no samples hold what opaque layers make, so nothing behind them can be measured"


@attrs.frozen(eq=False)
class Loaded(Prunable):
    """A network read from files.

    Attributes:
        source: The files.
        format: The format that reads and writes them.
    """

    source: Source
    format: Format


def format_of(host: Host, path: Path) -> Format:
    """The one format that recognises a model path.

    Raises:
        ModelError: the file is missing.
        UsageError: no format or several recognise it.
    """
    if not path.exists():
        raise ModelError(f"{path}: no such file or directory; check --model")
    claims = [descriptor for descriptor in host.all(Format) if descriptor.detect(path)]
    if len(claims) == 1:
        return claims[0]
    names = ", ".join(descriptor.name for descriptor in host.all(Format))
    if claims:
        both = " and ".join(descriptor.name for descriptor in claims)
        raise UsageError(
            f"{path}: claimed by {both}; rename the file so that one format recognises it"
        )
    raise UsageError(
        f"{path}: no installed format recognises this file; installed: {names}; "
        "Caffe, Darknet and TensorFlow come with prunus-caffe, prunus-darknet, prunus-tensorflow"
        f"{host.failures()}"
    )


def read_network(host: Host, source: Source) -> tuple[Network, Format]:
    """Load native files through their format."""
    descriptor = format_of(host, source.model)
    if source.weights is not None and not _written(source.weights):
        raise ModelError(f"{source.weights}: no such file; check --weights")
    network = host.call(Format, descriptor.name, "prunus_load", source=source)
    assert isinstance(network, Network)
    return network, descriptor


def is_there(source: Source) -> bool:
    """Whether the files of a network exist."""
    return source.model.exists() and (source.weights is None or _written(source.weights))


def load(host: Host, settings: Settings) -> Loaded:
    """Load and group the network the settings name; its notes are theirs too."""
    if settings.model is None:
        raise UsageError("no model given; use --model FILE or --config FILE")
    source = Source(settings.model, settings.weights, source_options(settings))
    descriptor = format_of(host, source.model)
    _check_options(descriptor, settings)
    check_code(settings, descriptor)
    network, descriptor = read_network(host, source)
    network = attrs.evolve(network, notes=(*settings.notes, *network.notes))
    _check_excluded(network, settings.exclude)
    found = prunable(network, settings.exclude)
    return Loaded(network, found.grouping, found.cost, source, descriptor, exclude=settings.exclude)


def source_options(settings: Settings) -> dict[str, str]:
    """Format options, with what the format may know in its own terms.

    That is the recipe file, the metric by its name, and a description of the data that may name
    training samples beside the held-out ones.
    """
    named = dict(zip(NAMED, (settings.solver, settings.metric, settings.data), strict=True))
    return {**settings.options, **{key: str(value) for key, value in named.items() if value}}


def _check_options(descriptor: Format, settings: Settings) -> None:
    known = descriptor.options
    for name in () if known is None else settings.options:
        if known is not None and name not in known and name not in NAMED:
            others = f"it has {', '.join(known)}" if known else "it has none"
            raise UsageError(
                f"--option {name}: format {descriptor.name} has no such option; {others}"
            )


def evaluation_data(loaded: Loaded, settings: Settings) -> Dataset | None:
    """Held-out samples: ``--data``, else the network's own; ``None`` without either."""
    if settings.data is not None:
        return open_samples(loaded, settings.data, training=False)
    task = loaded.network.task
    return None if task.evaluation is None else task.evaluation()


def training_data(loaded: Loaded, spec: str | None) -> Dataset | None:
    """Training samples: ``--train-data``, else the network's own; ``None`` without either."""
    if spec is not None:
        return open_samples(loaded, spec, training=True)
    task = loaded.network.task
    return None if task.training is None else task.training()


def open_samples(loaded: Loaded, spec: str, *, training: bool) -> Dataset:
    """A data specification in the format's own terms, else in everybody's."""
    if loaded.format.data is not None:
        dataset = loaded.format.data(spec, loaded.network, training)
        if dataset is not None:
            return dataset
    return open_data(spec, loaded.network)


def metric_for(loaded: Loaded, settings: Settings, data: Dataset) -> Metric:
    """The metric asked for, else the network's own, top-1 with labels, fidelity without."""
    own = loaded.network.task.metric
    labelled = data.read(np.zeros(1, np.int64), None).labels is not None
    if settings.metric is None:
        if own is not None and (labelled or not own.needs_labels):
            return own
        return Top(1) if labelled else Fidelity()
    metric = _metric_by_name(loaded, settings.metric)
    if metric.needs_labels and not labelled:
        raise DataError(
            f"metric '{metric.name}' needs labels and the data has none; use --metric fidelity"
        )
    return metric


def evaluator_for(loaded: Loaded, settings: Settings, reference: Network) -> Evaluator | None:
    """Samples and metric, or ``None`` without data for every input.

    What comes out of an opaque layer is an input that no data set has: behind it nothing
    can be computed.
    """
    data = evaluation_data(loaded, settings)
    if data is None and settings.metric is not None and names_function(settings.metric):
        own = user_metric(settings.metric)
        return Evaluator(reference, fed_samples(own, reference.model), own)
    if data is None:
        return None
    if not len(data):
        raise DataError("no samples: the data set is empty")
    if not fed(loaded.network, data.read(np.zeros(1, np.int64), None)):
        return None
    samples = settings.samples
    if samples is None and settings.batches is not None:
        samples = settings.batches * loaded.network.task.batch_size
    return Evaluator(reference, data, metric_for(loaded, settings, data), samples)


def fed(network: Network, batch: Batch) -> bool:
    """Whether every input has samples.

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


def _metric_by_name(loaded: Loaded, name: str) -> Metric:
    own = loaded.network.task.metric
    if own is not None and own.name == name:
        return own
    if name in loaded.format.metrics:
        return loaded.format.metrics[name](loaded.network)
    found = user_metric(name) if names_function(name) else metric_named(name, loaded.network.model)
    if found is None:
        known = ["top-K", "accuracy", "loss", "fidelity", *loaded.format.metrics]
        if own is not None:
            known.append(own.name)
        raise UsageError(f"unknown metric '{name}'; there are: {', '.join(dict.fromkeys(known))}")
    return found


def _check_excluded(network: Network, exclude: tuple[str, ...]) -> None:
    known = {name for layer in network.layers for name in (layer, layer.split(":")[0])}
    known |= {value.name or "" for node in network.model.graph for value in node.outputs}
    for name in exclude:
        if name not in known:
            raise UsageError(
                f"--exclude {name}: the network has no such layer; 'prunus stat' lists them"
            )


def _written(weights: Path) -> bool:
    """A TensorFlow checkpoint is named by the common prefix of its files."""
    return weights.exists() or any(weights.parent.glob(f"{glob.escape(weights.name)}.*"))
