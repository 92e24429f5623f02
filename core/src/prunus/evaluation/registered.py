"""Metrics of plugins, and the distributions they come from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import attrs

from prunus.descriptors import Format, NamedMetric
from prunus.errors import PluginError
from prunus.host import Host
from prunus.network import Network
from prunus.task import Metric
from prunus.third_party import contained

Makers = Mapping[str, Callable[[Network], Metric]]
"""Metric name -> maker, as in `Format.metrics`."""

PARTS = ("name", "higher_is_better", "needs_labels", "observe", "result")


@attrs.frozen(eq=False)
class Metrics:
    """What there is to measure with, beside ``top-K`` and the user's own functions.

    Attributes:
        makers: Of the metrics for every format; they raise a `PluginError` where no metric comes.
        distributions: Distribution of each of them, by its name.
        formats: Distribution of each format, by its name.
        failures: Plugins that failed to load, as the tail of a message about an unknown name.
    """

    makers: Makers
    distributions: Mapping[str, str]
    formats: Mapping[str, str]
    failures: str = ""

    def names(self, descriptor: Format) -> list[str]:
        """Metrics for networks of a format."""
        return [*self.makers, *(name for name in descriptor.metrics if name not in self.makers)]

    def make(self, name: str, descriptor: Format, network: Network) -> Metric:
        """Make a metric, the format's own before one for every format.

        Raises:
            PluginError: the maker failed, or gave no metric.
        """
        if name not in descriptor.metrics:
            return self.makers[name](network)
        said = f"metric '{name}' of {self.formats.get(descriptor.name)}"
        return _made(said, descriptor.metrics[name], network)

    def distribution(self, name: str | None, descriptor: Format) -> str | None:
        """Distribution of a metric, by the name it was chosen by; ``None`` for the core's."""
        if name in descriptor.metrics:
            return self.formats.get(descriptor.name)
        return self.distributions.get(name or "")


def registered_metrics(host: Host) -> Metrics:
    """The metrics of all plugins."""
    makers: dict[str, Callable[[Network], Metric]] = {}
    distributions, formats = {}, {}
    for entry in host.registered:
        descriptor = entry.descriptor
        if isinstance(descriptor, NamedMetric):
            said = f"metric '{descriptor.name}' of {entry.distribution}"
            makers[descriptor.name] = partial(_made, said, descriptor.make)
            distributions[descriptor.name] = entry.distribution
        elif isinstance(descriptor, Format):
            formats[descriptor.name] = entry.distribution
    return Metrics(makers, distributions, formats, host.failures())


def _made(said: str, maker: Callable[[Network], Metric], network: Network) -> Metric:
    with contained(said, "make"):
        metric = maker(network)
        for part in PARTS:
            if not hasattr(metric, part):
                raise PluginError(
                    f"{said}: its maker gave a {type(metric).__name__!r} without '{part}'"
                )
    return metric
