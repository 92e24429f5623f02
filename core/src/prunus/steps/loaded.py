"""Opening what the options name: network, samples, metric."""

from __future__ import annotations

import attrs

from prunus.descriptors import Format
from prunus.errors import DataError, ModelError, UsageError
from prunus.evaluation.choice import evaluator_on, open_samples
from prunus.evaluation.evaluator import Evaluator
from prunus.evaluation.registered import Makers, registered_metrics
from prunus.host import Host
from prunus.loading import format_of, read_as, written
from prunus.network import Network, Source
from prunus.prunable import Prunable, prunable
from prunus.settings import Settings
from prunus.steps.sample_check import sample_warning
from prunus.task import Dataset
from prunus.trust import check_code

NAMED = ("solver", "metric", "data")
"""Format options with a key of their own in the settings."""

BEHIND_OPAQUE = "no samples hold what opaque layers make, so nothing behind them can be measured"


@attrs.frozen(eq=False)
class Loaded(Prunable):
    """A network read from files.

    Attributes:
        source: The files.
        format: The format that reads and writes them.
        metrics: Metrics that plugins registered for every format.
    """

    source: Source
    format: Format
    metrics: Makers


def load(host: Host, settings: Settings) -> Loaded:
    """Load and group the network the settings name; its notes are theirs too."""
    if settings.model is None:
        raise UsageError("no model given; use --model FILE or --config FILE")
    source = Source(settings.model, settings.weights, source_options(settings))
    _check_named(settings)
    descriptor = format_of(host, source.model)
    _check_options(descriptor, settings)
    check_code(settings, descriptor)
    network = read_as(host, descriptor, source)
    network = attrs.evolve(network, notes=(*settings.notes, *network.notes))
    _check_excluded(network, settings.exclude)
    found = prunable(network, settings.exclude)
    return Loaded(
        network,
        found.grouping,
        found.cost,
        source,
        descriptor,
        registered_metrics(host),
        exclude=settings.exclude,
    )


def source_options(settings: Settings) -> dict[str, str]:
    """Format options, with what the format may know in its own terms.

    That is the recipe file, the metric by its name, and a description of the data that may name
    training samples beside the held-out ones.
    """
    named = dict(zip(NAMED, (settings.solver, settings.metric, settings.data), strict=True))
    return {**settings.options, **{key: str(value) for key, value in named.items() if value}}


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
    for name in () if known is None else settings.options:
        if known is not None and name not in known and name not in NAMED:
            others = f"it has {', '.join(known)}" if known else "it has none"
            raise UsageError(
                f"--option {name}: format {descriptor.name} has no such option; {others}"
            )


def evaluation_data(loaded: Loaded, settings: Settings) -> Dataset | None:
    """Held-out samples: ``--data``, else the network's own; ``None`` without either."""
    if settings.data is not None:
        try:
            return open_samples(loaded.format, loaded.network, settings.data, training=False)
        except DataError as error:
            file = settings.origins.get("data")
            if file is None:
                raise
            raise type(error)(f"{file}: data: {error}") from error
    task = loaded.network.task
    return None if task.evaluation is None else task.evaluation()


def training_data(loaded: Loaded, spec: str | None) -> Dataset | None:
    """Training samples: ``--train-data``, else the network's own; ``None`` without either."""
    if spec is not None:
        return open_samples(loaded.format, loaded.network, spec, training=True)
    task = loaded.network.task
    return None if task.training is None else task.training()


def evaluator_for(loaded: Loaded, settings: Settings, reference: Network) -> Evaluator | None:
    """Samples and metric of the settings, or ``None`` where no data feeds every input."""
    samples = settings.samples
    if samples is None and settings.batches is not None:
        samples = settings.batches * loaded.network.task.batch_size
    data = evaluation_data(loaded, settings)
    try:
        found = evaluator_on(
            data,
            loaded.format,
            loaded.network,
            reference,
            settings.metric,
            samples,
            registered=loaded.metrics,
        )
    except UsageError as error:
        file = settings.origins.get("metric")
        if file is None or settings.metric is None:
            raise
        raise UsageError(f"{file}: metric = '{settings.metric}': {error}") from error
    if data is None or found is None:
        return found
    origin = settings.data or str(loaded.source.model)
    warning = sample_warning(reference, data, settings.data)
    return attrs.evolve(found, warning=warning, origin=origin)


def _check_excluded(network: Network, exclude: tuple[str, ...]) -> None:
    known = {*network.layers, *(name for names in network.aliases.values() for name in names)}
    known |= {value.name or "" for node in network.model.graph for value in node.outputs}
    for name in exclude:
        if name not in known:
            raise UsageError(
                f"--exclude {name}: the network has no such layer; 'prunus stat' lists them"
            )
