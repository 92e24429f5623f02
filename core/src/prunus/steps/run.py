"""``prunus run``: prune and finetune with a growing rate, then transform."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import attrs

from prunus.host import Host
from prunus.settings import Settings
from prunus.steps.finetune import finetune
from prunus.steps.masked import newest
from prunus.steps.prune import prune
from prunus.steps.report import Report, Stage
from prunus.steps.transform import transform
from prunus.training import Progress
from prunus.training.tuning import Tuning


def run(
    host: Host,
    settings: Settings,
    rates: tuple[float, ...],
    tuning: Tuning,
    output: Path | None,
    report: Callable[[Progress], None] = lambda _: None,
) -> Report:
    """Every rate is a round that starts from the last round's finetuned weights.

    A round that changes no structure skips its finetune.

    Returns:
        One report with a stage for every state the network went through.
    """
    stages: list[Stage] = []
    notes: list[str] = []
    current = settings
    metric = None
    for rate in rates:
        pruned = prune(host, attrs.evolve(current, rate=rate, threshold=None), tuning.data)
        metric = pruned.report.metric
        if not stages:
            stages.append(pruned.report.stages[0])
        notes += [note for note in pruned.report.notes if note not in notes]
        stages.append(attrs.evolve(pruned.report.stages[-1], name=f"pruned {rate:g}"))
        if not pruned.changed:
            continue
        tuned = finetune(host, current, tuning, report)
        stages.append(attrs.evolve(tuned.report.stages[-1], name=f"finetuned {rate:g}"))
        current = attrs.evolve(current, model=tuned.written.model, weights=tuned.written.weights)
    final = transform(host, newest(current), output)
    stages.append(final.report.stages[-1])
    notes += [note for note in final.report.notes if note not in notes]
    return Report(
        "run",
        metric,
        tuple(stages),
        final.report.groups,
        tuple(notes),
        final.report.files,
        None,
        final.report.facts,
    )
