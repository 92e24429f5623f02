"""Metrics that plugins registered for every format."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from prunus.descriptors import NamedMetric
from prunus.errors import PluginError, PrunusError
from prunus.host import Host, Registered
from prunus.network import Network
from prunus.task import Metric

Makers = Mapping[str, Callable[[Network], Metric]]
"""Metric name -> maker, as in `Format.metrics`."""

PARTS = ("name", "higher_is_better", "needs_labels", "observe", "result")


def registered_metrics(host: Host) -> Makers:
    """Makers that raise a `PluginError` where a plugin makes no metric."""
    found = [entry for entry in host.registered if isinstance(entry.descriptor, NamedMetric)]
    return {entry.descriptor.name: _maker(entry) for entry in found}


def _maker(entry: Registered) -> Callable[[Network], Metric]:
    def make(network: Network) -> Metric:
        descriptor = entry.descriptor
        assert isinstance(descriptor, NamedMetric)
        said = f"metric '{descriptor.name}' of {entry.distribution}"
        try:
            metric = descriptor.make(network)
        except PrunusError:
            raise
        except Exception as error:
            raise PluginError(f"{said} cannot be made: {type(error).__name__}: {error}") from error
        for part in PARTS:
            if not hasattr(metric, part):
                raise PluginError(
                    f"{said}: its maker gave a {type(metric).__name__!r} without '{part}'"
                )
        return metric

    return make
