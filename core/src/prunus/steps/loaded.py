"""Opening what the options name: network, samples, metric."""

from __future__ import annotations

import attrs

from prunus.descriptors import Format
from prunus.errors import DataError, ModelError, UsageError
from prunus.evaluation.choice import evaluator_on, open_samples
from prunus.evaluation.evaluator import Evaluator
from prunus.evaluation.registered import Metrics, registered_metrics
from prunus.granularity import CHANNEL, granularity_of
from prunus.host import Host
from prunus.loading import format_of, read_as, written
from prunus.near import meant
from prunus.network import Network, Source
from prunus.prunable import Prunable, check_layers, prunable
from prunus.settings import Settings
from prunus.steps.sample_check import sample_warning
from prunus.task import Dataset
from prunus.trust import check_code

BEHIND_OPAQUE = "no samples hold what opaque layers make, so nothing behind them can be measured"


@attrs.frozen(eq=False)
class Loaded(Prunable):
    """A network read from files.

    Attributes:
        source: The files.
        format: The format that reads and writes them.
        metrics: Metrics that plugins registered.
    """

    source: Source
    format: Format
    metrics: Metrics


def load(host: Host, settings: Settings) -> Loaded:
    """Load and group the network the settings name; its notes are theirs too."""
    if settings.model is None:
        raise UsageError("no model given; use --model FILE or --config FILE")
    source = Source(settings.model, settings.weights, settings.options, settings.task)
    _check_named(settings)
    descriptor = format_of(host, source.model)
    _check_options(descriptor, settings)
    check_code(settings, descriptor)
    network = read_as(host, descriptor, source)
    network = attrs.evolve(network, notes=(*settings.notes, *network.notes))
    check_layers(network, settings.exclude, "--exclude", "'prunus stat'")
    granularity = granularity_of(settings.granularity or CHANNEL)
    found = prunable(network, settings.exclude, granularity)
    return Loaded(
        network,
        found.grouping,
        found.cost,
        source,
        descriptor,
        registered_metrics(host),
        exclude=settings.exclude,
        granularity=granularity,
    )


def _check_named(settings: Settings) -> None:
    """A missing file that a configuration names is missed where it is named."""
    named = (
        ("model", settings.model),
        ("weights", settings.weights),
        ("solver", settings.solver),
    )
    for name, path in named:
        file = settings.origins.get(name)
        if file is not None and path is not None and not written(path):
            raise ModelError(
                f"{file}: {name} = '{path}': no such file; correct the path there or give --{name}"
            )


def _check_options(descriptor: Format, settings: Settings) -> None:
    known = descriptor.options
    if known is None:
        return
    for name in settings.options:
        if name not in known:
            others = f"it has {', '.join(known)}" if known else "it has none"
            raise UsageError(
                f"--option {name}: format {descriptor.name} has no such option; "
                f"{others}{meant(name, known) if len(known) > 1 else ''}"
            )


def evaluation_data(loaded: Loaded, settings: Settings) -> Dataset | None:
    """Held-out samples: ``--data``, else the network's own; ``None`` without either."""
    spec, task = settings.task.data, loaded.network.task
    if spec is not None:
        return _opened(loaded, settings, "data", spec)
    return None if task.evaluation is None else task.evaluation()


def training_data(loaded: Loaded, settings: Settings) -> Dataset | None:
    """Training samples: ``--train-data``, else the network's own; ``None`` without either."""
    spec, task = settings.train_data, loaded.network.task
    if spec is not None:
        return _opened(loaded, settings, "train_data", spec)
    return None if task.training is None else task.training()


def _opened(loaded: Loaded, settings: Settings, name: str, spec: str) -> Dataset:
    """Samples that a setting names; where a file says it, their fault is told with the file."""
    try:
        return open_samples(loaded.format, loaded.network, spec, training=name == "train_data")
    except DataError as error:
        file = settings.origins.get(name)
        if file is None:
            raise
        raise type(error)(f"{file}: {name}: {error}") from error


def evaluator_for(loaded: Loaded, settings: Settings, reference: Network) -> Evaluator | None:
    """Samples and metric of the settings, or ``None`` where no data feeds every input."""
    samples, metric = settings.samples, settings.task.metric
    if samples is None and settings.data is None:
        samples = settings.earlier_samples
    if samples is None and settings.batches is not None:
        samples = settings.batches * loaded.network.task.batch_size
    data = evaluation_data(loaded, settings)
    try:
        found = evaluator_on(
            data,
            loaded.format,
            loaded.network,
            reference,
            metric,
            samples,
            registered=loaded.metrics,
        )
    except UsageError as error:
        file = settings.origins.get("metric")
        if file is None or metric is None:
            raise
        raise UsageError(f"{file}: metric = '{metric}': {error}") from error
    if data is None or found is None:
        return found
    spec = settings.task.data
    origin = spec or str(loaded.source.model)
    warning = sample_warning(reference, data, spec) or found.warning
    return attrs.evolve(found, warning=warning, origin=origin)
