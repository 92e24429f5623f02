"""``prunus transform``: remove the masked channels, write native files, prove them equal."""

from __future__ import annotations

from pathlib import Path

import attrs
import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from prunus.compaction import compact
from prunus.engines.bench import EngineTime, bench
from prunus.engines.hold import Runnable
from prunus.engines.known import default_threads, engine_named, own_engine
from prunus.errors import PlanError
from prunus.evaluation.evaluator import Evaluator, Look
from prunus.granularity import WEIGHT
from prunus.graph.release import collect_copies
from prunus.host import Host
from prunus.masking import mask
from prunus.network import Compact, Destination, Network, Source, Written
from prunus.proof import Proof
from prunus.proof.batches import SIZES
from prunus.proof.plan import is_exact, prove_plan
from prunus.settings import Settings
from prunus.steps.history import record
from prunus.steps.known_mask import mask_of
from prunus.steps.loaded import Loaded, load
from prunus.steps.lock import alone
from prunus.steps.measuring import measured_if_possible
from prunus.steps.original import UNKNOWN, Original, original_of
from prunus.steps.pruning_report import ZEROS
from prunus.steps.report import (
    Report,
    Stage,
    collapse_of,
    group_rows,
    latency,
    looked_at,
    size_on_disk,
    warnings_of,
    whole_stage,
)
from prunus.steps.workspace import workspace_of
from prunus.storage.files import moved
from prunus.storage.native import keep_apart, read_written, write_into
from prunus.storage.staging import staged

INEXACT = (
    "cross-channel LRN: masked and transformed are not comparable there; the proof compares the "
    "written files with the compact network that was measured"
)


@attrs.frozen(eq=False)
class Transformed:
    """Result of ``transform``."""

    written: Written
    proof: Proof | None
    report: Report


@alone
def transform(
    host: Host,
    settings: Settings,
    output: Path | None,
    *,
    proof: bool = True,
    measure: bool = True,
    engines: tuple[str, ...] = (),
) -> Transformed:
    """Compact a masked network.

    Args:
        host: Plugins.
        settings: ``model`` and ``weights`` of the masked network.
        output: Directory to write to, or a file with the ending of the model's or the
            weights' file; the workspace's ``transformed`` without it.
        proof: Load the result back and compare it with the masked network.
        measure: Evaluate and time the networks.
        engines: Engines to time the original and the smaller network in, beside ONNX Runtime.

    Raises:
        UsageError: an engine is unknown or not installed.
        PlanError: the weights hold no mask.
        StaleError: the weights do not hold the mask of the workspace's plan.
        PluginError: the format wrote files that do not load; nothing is left behind.
        ProofError: the result is not equal; nothing is left behind.
    """
    for engine in engines:
        engine_named(host, engine)  # before the work, not after it
    workspace = None if settings.workspace is None else workspace_of(settings)
    loaded = load(host, settings)
    keep = mask_of(workspace, loaded)
    if not keep:
        where = loaded.source.weights or loaded.source.model
        raise PlanError(
            f"{where}: no {loaded.granularity.unit} is masked, so nothing can be removed; give the "
            "weights that 'prunus prune' or 'prunus finetune' wrote"
        )
    usual = workspace.directory("transformed") if workspace is not None else Path("transformed")
    directory, name = (usual, None) if output is None else _target(output, loaded.source)
    masked = mask(loaded.network, loaded.grouping, keep)
    smaller = compact(masked, loaded.grouping, keep)
    exact = is_exact(loaded, keep)
    original = original_of(host, settings, workspace, loaded)
    known = Original(loaded.network, loaded.source) if original is None else original
    evaluator, unmeasured = (
        measured_if_possible(loaded, settings, known.network) if measure else (None, None)
    )
    with staged(directory) as stage:
        destination = Destination(
            stage, "compact", name, loaded.source.options, known.source.model.name
        )
        written = write_into(host, masked, smaller, destination)
        keep_apart(stage, directory, loaded.source, known.source)
        found = _prove(host, loaded, keep, masked, smaller, written, evaluator) if proof else None
        collect_copies(masked.model)  # of what was loaded back
    written = moved(written, stage, directory)
    report = _report(loaded, masked, smaller, keep, evaluator, written, measure, original)
    facts = {
        "proof": None if found is None else attrs.asdict(found),
        "exact": exact,
        "granularity": str(loaded.granularity),
        **({"engine": own_engine(host)} if measure else {}),
    }
    remarks = {
        INEXACT: not exact,
        ZEROS: loaded.granularity.unit == WEIGHT,
        UNKNOWN: measure and original is None,
    }
    notes = (*loaded.network.notes, *(text for text, holds in remarks.items() if holds))
    times = _times(host, known.network, Runnable(masked, smaller), engines)
    report = attrs.evolve(report, notes=notes, facts=facts, unmeasured=unmeasured, times=times)
    if workspace is not None:
        workspace.remember("transformed", written)
        record(host, settings, loaded, report)
    return Transformed(written, found, report)


def _times(
    host: Host, original: Network, smaller: Runnable, engines: tuple[str, ...]
) -> tuple[EngineTime, ...]:
    """Original and transformed network in other engines, side by side."""
    if not engines:
        return ()
    networks = [("original", Runnable.whole(original)), ("transformed", smaller)]
    return bench(host, networks, engines, default_threads()).times


def _target(output: Path, source: Source) -> tuple[Path, str | None]:
    """Directory and, where a file is meant, its name."""
    endings = {path.suffix for path in (source.model, source.weights) if path is not None}
    if output.suffix in endings - {""} and not output.is_dir():
        return output.parent, output.name
    return output, None


def _prove(
    host: Host,
    loaded: Loaded,
    keep: dict[str, NDArray[np.bool_]],
    masked: Network,
    smaller: Compact,
    written: Written,
    evaluator: Evaluator | None,
) -> Proof:
    source = attrs.evolve(loaded.source, model=written.model, weights=written.weights)
    again = read_written(host, masked.format, source)
    inputs = None if evaluator is None else evaluator.calibration(sum(SIZES))
    return prove_plan(loaded, keep, masked, smaller, inputs, again=again)


def _report(
    loaded: Loaded,
    masked: Network,
    smaller: Compact,
    keep: dict[str, NDArray[np.bool_]],
    evaluator: Evaluator | None,
    written: Written,
    measure: bool,
    original: Original | None,
) -> Report:
    """The network whole, masked and transformed."""
    macs = loaded.macs(keep)
    params = loaded.params(keep, smaller.model)
    before = Written(loaded.source.model, loaded.source.weights)

    def stage(name: str, model: ir.Model, files: Written, look: Look | None) -> Stage:
        size = size_on_disk(files, loaded.format)
        found = Stage(name, None, macs, params, size, latency(model) if measure else None)
        return looked_at(found, look)

    whole = whole_stage(loaded, loaded.network)
    if original is not None:
        value = None if evaluator is None else evaluator.baseline
        files = Written(original.source.model, original.source.weights)
        size = size_on_disk(files, loaded.format)
        whole = whole_stage(loaded, original.network, value, size)
        if measure:
            whole = attrs.evolve(whole, milliseconds=latency(original.network.model))
    looks = [
        None if evaluator is None else evaluator.look(model)
        for model in (masked.model, smaller.model)
    ]
    return Report(
        "transform",
        None if evaluator is None else evaluator.metric.name,
        (
            whole,
            stage("masked", masked.model, before, looks[0]),
            stage("transformed", smaller.model, written, looks[1]),
        ),
        group_rows(loaded, keep),
        files=tuple(
            path for path in (written.model, written.weights, *written.others) if path is not None
        ),
        warnings=warnings_of(evaluator),
        collapse=collapse_of(looks[1], "transformed"),
    )
