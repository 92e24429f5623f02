"""``prunus transform``: remove the masked channels, write native files, prove them equal."""

from __future__ import annotations

import gc
from pathlib import Path

import attrs
import numpy as np
from numpy.typing import NDArray

from prunus.compaction import compact
from prunus.errors import PlanError
from prunus.evaluation.evaluator import Evaluator
from prunus.graph.parameters import parameters
from prunus.host import Host
from prunus.loading import read_network
from prunus.masking import mask
from prunus.network import Compact, Destination, Network, Source, Written
from prunus.proof import Proof
from prunus.proof.batches import SIZES
from prunus.proof.plan import is_exact, prove_plan
from prunus.settings import Settings
from prunus.steps.known_mask import mask_of
from prunus.steps.loaded import Loaded, load
from prunus.steps.lock import alone
from prunus.steps.measuring import measured_if_possible
from prunus.steps.original import Original, original_of
from prunus.steps.report import (
    Report,
    Stage,
    group_rows,
    latency,
    size_on_disk,
    warnings_of,
    whole_stage,
)
from prunus.steps.workspace import workspace_of
from prunus.storage.files import moved
from prunus.storage.native import keep_apart, write_into
from prunus.storage.staging import staged


@attrs.frozen(eq=False)
class Transformed:
    """Result of ``transform``."""

    written: Written
    proof: Proof | None
    report: Report


@alone
def transform(
    host: Host, settings: Settings, output: Path | None, *, proof: bool = True, measure: bool = True
) -> Transformed:
    """Compact a masked network.

    Args:
        host: Plugins.
        settings: ``model`` and ``weights`` of the masked network (see `prunus.steps.masked`).
        output: Directory to write to, or a file with the ending of the model's or the
            weights' file; the workspace's ``transformed`` without it.
        proof: Load the result back and compare it with the masked network.
        measure: Evaluate and time the networks.

    Raises:
        PlanError: the weights hold no mask.
        StaleError: the weights do not hold the mask of the workspace's plan.
        ProofError: the result is not equal; nothing is left behind.
    """
    workspace = None if settings.workspace is None else workspace_of(settings)
    loaded = load(host, settings)
    keep = mask_of(workspace, loaded)
    if not keep:
        where = loaded.source.weights or loaded.source.model
        raise PlanError(
            f"{where}: no channel is masked, so nothing can be removed; give the weights that "
            "'prunus prune' or 'prunus finetune' wrote"
        )
    usual = workspace.directory("transformed") if workspace is not None else Path("transformed")
    directory, name = (usual, None) if output is None else _place(output, loaded.source)
    masked = mask(loaded.network, loaded.grouping, keep)
    smaller = compact(masked, loaded.grouping, keep)
    exact = is_exact(loaded, keep)
    original = original_of(host, settings, workspace, loaded)
    known = Original(loaded.network, loaded.source) if original is None else original
    evaluator, remark = (
        measured_if_possible(loaded, settings, known.network) if measure else (None, None)
    )
    with staged(directory) as stage:
        destination = Destination(
            stage, "compact", name, loaded.source.options, known.source.model.name
        )
        written = write_into(host, masked, smaller, destination)
        keep_apart(stage, directory, loaded.source, known.source)
        found = _prove(host, loaded, keep, masked, smaller, written, evaluator) if proof else None
        gc.collect()  # graphs are full of cycles: what was loaded back would stay
        size = size_on_disk(written, loaded.format)
    written = moved(written, stage, directory)
    report = _report(
        loaded, masked, smaller, keep, evaluator, written, size, found, exact, measure, remark
    )
    if workspace is not None:
        workspace.remember("transformed", written)
    return Transformed(written, found, report)


def _place(output: Path, source: Source) -> tuple[Path, str | None]:
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
    source = Source(written.model, written.weights, loaded.source.options)
    again = read_network(host, source)
    inputs = None if evaluator is None else evaluator.calibration(sum(SIZES))
    return prove_plan(loaded, keep, masked, smaller, inputs, again=again)


def _report(
    loaded: Loaded,
    masked: Network,
    smaller: Compact,
    keep: dict[str, NDArray[np.bool_]],
    evaluator: Evaluator | None,
    written: Written,
    size: int,
    proof: Proof | None,
    exact: bool,
    measure: bool,
    remark: str | None,
) -> Report:
    before = Written(loaded.source.model, loaded.source.weights)
    macs = round(loaded.cost.macs(loaded.cost.kept(keep)))
    params = parameters(loaded.network, smaller.model)
    stages = (
        whole_stage(loaded, loaded.network),
        Stage(
            "masked",
            None if evaluator is None else evaluator.measure(masked.model),
            macs,
            params,
            size_on_disk(before, loaded.format),
            latency(masked.model) if measure else None,
        ),
        Stage(
            "transformed",
            None if evaluator is None else evaluator.measure(smaller.model),
            macs,
            params,
            size,
            latency(smaller.model) if measure else None,
        ),
    )
    notes = [*warnings_of(evaluator), *loaded.network.notes, *(() if remark is None else (remark,))]
    if not exact:
        notes.append(
            "cross-channel LRN: masked and transformed are not comparable there; the proof "
            "compares the written files with the compact network that was measured"
        )
    facts = {"proof": None if proof is None else attrs.asdict(proof), "exact": exact}
    files = tuple(
        path for path in (written.model, written.weights, *written.others) if path is not None
    )
    metric = None if evaluator is None else evaluator.metric.name
    return Report(
        "transform", metric, stages, group_rows(loaded, keep), tuple(notes), files, None, facts
    )
