"""``prunus bench``: networks in files, timed side by side in several engines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from prunus.engines.bench import bench as bench_networks
from prunus.engines.hold import Runnable
from prunus.engines.known import default_threads
from prunus.errors import UsageError
from prunus.host import Host
from prunus.loading import read_network
from prunus.network import Source
from prunus.steps.report import Report


def bench(
    host: Host,
    models: Sequence[Path],
    weights: Sequence[Path],
    options: Mapping[str, str],
    engines: Sequence[str] | None,
    threads: int | None,
    seconds: float,
) -> Report:
    """Time networks.

    Args:
        host: Plugins.
        models: Their files; the first is what others are compared with.
        weights: Weights files, one for each model or none at all.
        options: Format options.
        engines: Names of engines; all that are installed without it.
        threads: Threads of one run; one for each processor without it.
        seconds: Time for one network in one engine.

    Raises:
        UsageError: fewer weights than models, or more; an engine is unknown or not installed.
        ModelError: a file cannot be read, or an engine that was asked for refuses it.
    """
    if weights and len(weights) != len(models):
        raise UsageError(
            f"--weights is given {len(weights)} times for {len(models)} models; give one for each, "
            "in their order"
        )
    own: Sequence[Path | None] = weights or [None] * len(models)
    pairs = zip(models, own, strict=True)
    networks = [read_network(host, Source(model, file, options)) for model, file in pairs]
    named = list(zip(_names(models), map(Runnable.whole, networks), strict=True))
    count = threads or default_threads()
    found = bench_networks(host, named, engines, count, seconds)
    refused = tuple(f"{engine} is left out: {said}" for engine, said in found.refused.items())
    return Report("bench", notes=refused, times=found.times, facts={"threads": count})


def _names(models: Sequence[Path]) -> list[str]:
    """Names of files where they differ, else their paths."""
    names = [path.name for path in models]
    return names if len(set(names)) == len(names) else [str(path) for path in models]
