"""Built-in analysis for metrics that need a whole network: one evaluation a trial."""

from __future__ import annotations

from collections.abc import Iterable

from prunus.analysis.analysis import Analysis
from prunus.compaction import compact
from prunus.descriptors import Descriptor, Policy
from prunus.folding import fold
from prunus.hookspecs import hookimpl
from prunus.masking import mask
from prunus.network import Network
from prunus.sensitivity import Curve, Point, Sensitivity


@hookimpl
def prunus_register() -> Iterable[Descriptor]:
    """One analysis."""
    return (
        Policy(
            "sweep", "every trial as a network of its own; for --metric module:function", "analyze"
        ),
    )


@hookimpl
def prunus_analyze(policy: str, network: Network, analysis: Analysis) -> Sensitivity:
    """Prune every group alone at every ratio, and measure the compact network."""
    evaluator = analysis.evaluator
    samples = evaluator.calibration() if len(evaluator.data) else None
    trials = {group.name: analysis.trials(group) for group in analysis.grouping.groups}
    total, done = sum(map(len, trials.values())), analysis.journal.start()
    curves, count = [], 0
    for group in analysis.grouping.groups:
        points = []
        for ratio, keep in trials[group.name]:
            piece = f"{group.name}|{ratio}"
            if piece not in done:
                plan = {group.name: keep}
                folded = fold(network, analysis.grouping, plan, samples)
                masked = mask(folded, analysis.grouping, plan)
                measured = evaluator.measure(compact(masked, analysis.grouping, plan).model)
                done[piece] = [measured.value, measured.error]
                analysis.journal.write(piece, done[piece])
            points.append(Point(ratio, int(keep.sum()), *done[piece]))
            count += 1
            analysis.report(count, total)
        curves.append(Curve(group.name, group.size, tuple(points)))
    metric = evaluator.metric
    return Sensitivity(
        metric.name, metric.higher_is_better, evaluator.baseline, tuple(curves), dict(analysis.key)
    )
