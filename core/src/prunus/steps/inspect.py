"""``prunus stat``, ``eval`` and ``export``: looking at a network without changing it."""

from __future__ import annotations

from pathlib import Path

from prunus.engines.known import own_engine
from prunus.errors import DataError, UsageError
from prunus.formats.onnx_save import save_standalone
from prunus.graph.parameters import parameters
from prunus.host import Host
from prunus.settings import Settings
from prunus.statistics import Statistics, statistics_of
from prunus.steps.loaded import evaluator_for, load
from prunus.steps.report import Report, Stage, latency, warnings_of
from prunus.storage.files import make_directory
from prunus.storage.native import keep_apart
from prunus.storage.staging import staged


def statistics(host: Host, settings: Settings) -> Statistics:
    """Count a network, list its groups and the protected channels."""
    return statistics_of(load(host, settings), legacy_count=settings.legacy_count)


def evaluate(host: Host, settings: Settings) -> Report:
    """Measure a network on its samples.

    Raises:
        DataError: there are none.
    """
    loaded = load(host, settings)
    evaluator = evaluator_for(loaded, settings, loaded.network)
    if evaluator is None:
        raise DataError("no samples to evaluate on: give --data")
    stage = Stage(
        "given",
        evaluator.baseline,
        loaded.macs({}),
        parameters(loaded.network, loaded.network.model),
        None,
        latency(loaded.network.model),
    )
    facts = {"samples": evaluator.count, "engine": own_engine(host)}
    return Report(
        "eval",
        evaluator.metric.name,
        (stage,),
        notes=loaded.network.notes,
        facts=facts,
        warnings=warnings_of(evaluator),
    )


def export(host: Host, settings: Settings, output: Path) -> Report:
    """Write the neutral graph of any loaded network as ONNX.

    Raises:
        UsageError: the file would replace the network, or is a directory.
    """
    if output.is_dir():
        raise UsageError(f"--output {output}: is a directory; name a file, {output / 'net.onnx'}")
    loaded = load(host, settings)
    make_directory(output.parent)
    with staged(output.parent) as stage:
        save_standalone(loaded.network.model, stage / output.name)
        keep_apart(stage, output.parent, loaded.source)
    return Report("export", notes=loaded.network.notes, files=(output,))
