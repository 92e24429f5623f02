"""Analysis that measures every trial as a network of its own, channels removed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from prunus.analysis.analysis import Analysis
from prunus.compaction import compact
from prunus.folding import fold
from prunus.groups import Group
from prunus.masking import mask
from prunus.network import Network
from prunus.sensitivity import Curve, Point, Sensitivity


def analyze(network: Network, analysis: Analysis) -> Sensitivity:
    """Prune every group alone at every ratio, and measure the compact network."""
    groups = analysis.grouping.groups
    count = counted(analysis, sum(len(analysis.trials(group)) for group in groups))
    done = analysis.journal.start()
    return analysis.sensitivity(compact_curves(network, analysis, groups, done, count))


def counted(analysis: Analysis, total: int) -> Callable[[], None]:
    """A function that reports one more piece of work done, of ``total``."""
    done = 0

    def count() -> None:
        nonlocal done
        done += 1
        analysis.report(done, total)

    return count


def compact_curves(
    network: Network,
    analysis: Analysis,
    groups: Iterable[Group],
    done: dict[str, Any],
    count: Callable[[], None],
) -> tuple[Curve, ...]:
    """Curves of some groups, each trial measured on the network with its channels removed.

    Args:
        network: The network under test.
        analysis: Samples, metric and trials.
        groups: Which groups.
        done: Pieces of an earlier, killed run by name; new ones are added and journalled.
        count: Called after every trial.
    """
    evaluator, grouping = analysis.evaluator, analysis.grouping
    samples = evaluator.calibration() if len(evaluator.data) else None
    curves = []
    for group in groups:
        points = []
        for ratio, keep in analysis.trials(group):
            piece = f"{group.name}|{ratio}"
            if piece not in done:
                plan = {group.name: keep}
                masked = mask(fold(network, grouping, plan, samples), grouping, plan)
                measured = evaluator.measure(compact(masked, grouping, plan).model)
                done[piece] = [measured.value, measured.error]
                analysis.journal.write(piece, done[piece])
            points.append(Point(ratio, int(keep.sum()), *done[piece]))
            count()
        curves.append(Curve(group.name, group.size, tuple(points)))
    return tuple(curves)
