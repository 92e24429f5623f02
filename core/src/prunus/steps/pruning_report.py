"""Report of ``prunus prune``: its notes and its table."""

from __future__ import annotations

from collections.abc import Mapping

import attrs
import numpy as np
from numpy.typing import NDArray

from prunus.evaluation.evaluator import Evaluator
from prunus.graph.parameters import parameters
from prunus.network import Compact, Network, Written
from prunus.planning.budget import Budget
from prunus.planning.scores import DEFAULT_CRITERION
from prunus.proof import Proof
from prunus.proof.plan import is_exact
from prunus.sensitivity import Sensitivity
from prunus.settings import Settings
from prunus.steps.loaded import BEHIND_OPAQUE, Loaded
from prunus.steps.report import (
    Report,
    Stage,
    group_rows,
    new_files,
    size_on_disk,
    warnings_of,
    whole_stage,
)
from prunus.task import Measurement

Keep = Mapping[str, NDArray[np.bool_]]


def notes_of(
    settings: Settings,
    sensitivity: Sensitivity | None,
    evaluator: Evaluator | None,
    changed: bool,
    network: Network,
    unmeasured: str | None,
) -> tuple[str, ...]:
    """Notes on the plan, after those of the files."""
    notes = [*warnings_of(evaluator), *network.notes]
    if sensitivity is None and settings.allocation is None and settings.rate is not None:
        notes.append(
            "no result of 'prunus ana' in the workspace: the same ratio is used in every group"
        )
    measured = None if sensitivity is None else sensitivity.key.get("criterion")
    chosen = settings.criterion or DEFAULT_CRITERION
    if measured is not None and measured != chosen:
        notes.append(
            f"'prunus ana' removed channels by criterion {measured}, this plan by {chosen}: the "
            "losses it weighs are of other channels"
        )
    if unmeasured is not None:
        notes.append(unmeasured)
    elif evaluator is None and settings.data is None:
        notes.append("no samples: accuracy is not measured; give --data to see it")
    elif evaluator is None:
        notes.append(BEHIND_OPAQUE)
    if not changed:
        notes.append("this round changes no structure: finetuning again would bring nothing new")
    return tuple(notes)


def report_of(
    loaded: Loaded,
    original: Network,
    masked: Network,
    smaller: Compact,
    keep: Keep,
    evaluator: Evaluator | None,
    measured: tuple[Measurement | None, Measurement | None],
    written: Written,
    budget: Budget,
    proof: Proof,
    notes: tuple[str, ...],
) -> Report:
    """The original and the pruned network, as measured, and what happened to each group."""
    kept = loaded.cost.kept(keep)
    macs = loaded.cost.macs(kept)
    stages = (
        whole_stage(
            loaded,
            original,
            measured[0],
            size_on_disk(Written(loaded.source.model, loaded.source.weights), loaded.format),
        ),
        Stage(
            "pruned",
            measured[1],
            round(macs),
            parameters(loaded.network, smaller.model),
            size_on_disk(written, loaded.format),
        ),
    )
    facts = {
        "rate_asked": budget.rate,
        "threshold": budget.threshold,
        "rate": loaded.rate(keep),
        "exact": is_exact(loaded, keep),
        "proof": attrs.asdict(proof),
    }
    files = new_files(written, loaded.source)
    metric = None if evaluator is None else evaluator.metric.name
    return Report(
        "prune", metric, stages, group_rows(loaded, keep), notes, files, "prunus finetune", facts
    )
