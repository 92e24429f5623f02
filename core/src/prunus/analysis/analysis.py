"""The inputs of an analysis."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import attrs
import numpy as np
from numpy.typing import NDArray

from prunus.analysis.journal import Journal
from prunus.evaluation.evaluator import Evaluator
from prunus.grouping.find import Grouping
from prunus.groups import Group
from prunus.selection import choose_units
from prunus.sensitivity import Curve, Sensitivity
from prunus.third_party import of_caller


@attrs.frozen(eq=False)
class Analysis:
    """Everything `prunus_analyze` needs beside the network.

    Attributes:
        grouping: Groups of the network.
        evaluator: Samples and metric.
        scores: Group name -> ``(C,)`` scores of the criterion.
        ratios: Shares to remove, ascending, in (0, 1).
        journal: Partial results, kept across a kill.
        key: Digests of what is measured.
        report: Called with done and total work units.
        seed: Of everything drawn.
    """

    grouping: Grouping
    evaluator: Evaluator
    scores: Mapping[str, NDArray[np.float64]]
    ratios: tuple[float, ...]
    journal: Journal
    key: Mapping[str, str]
    report: Callable[[int, int], None] = attrs.field(converter=of_caller)
    seed: int = 0

    def trials(self, group: Group) -> list[tuple[float, NDArray[np.bool_]]]:
        """Ratio and kept units ``(C,)`` of every distinct trial of a group."""
        found: list[tuple[float, NDArray[np.bool_]]] = []
        for ratio in self.ratios:
            count = max(1, round(group.size * (1 - ratio)))
            keep = choose_units(group, self.scores[group.name], count)
            if not keep.all() and not any(np.array_equal(keep, other) for _, other in found):
                found.append((ratio, keep))
        return found

    def sensitivity(self, curves: Iterable[Curve]) -> Sensitivity:
        """The result of measured curves, one a group, in any order."""
        known = {curve.group: curve for curve in curves}
        metric = self.evaluator.metric
        return Sensitivity(
            metric.name,
            metric.higher_is_better,
            self.evaluator.baseline,
            tuple(known[group.name] for group in self.grouping.groups),
            self.key,
        )
