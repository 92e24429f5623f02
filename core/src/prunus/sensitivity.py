"""Sensitivity: how the metric falls as each group alone loses channels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from prunus.errors import StaleError
from prunus.task import Measurement


@attrs.frozen
class Point:
    """One measured point of a curve.

    Attributes:
        ratio: Share of the group's units removed, in [0, 1).
        kept: Units kept.
        value: Metric.
        error: Its standard error.
    """

    ratio: float
    kept: int
    value: float
    error: float


@attrs.frozen
class Curve:
    """The measured points of one group.

    Attributes:
        group: Name of the group.
        size: Number of its units.
        points: Its points, ratios ascending.
    """

    group: str
    size: int
    points: tuple[Point, ...]


@attrs.frozen(eq=False)
class Sensitivity:
    """Result of `prunus ana`.

    Attributes:
        metric: Its name.
        higher_is_better: Its direction.
        baseline: Value of the unpruned network.
        curves: One a group.
        key: Digests of what was measured: ``structure``, ``weights``, ``data``, ``settings``;
            and the ``criterion`` by which channels went.
    """

    metric: str
    higher_is_better: bool
    baseline: Measurement
    curves: tuple[Curve, ...]
    key: Mapping[str, str]

    def curve(self, group: str) -> Curve | None:
        """The curve of a group, if it was measured."""
        return next((curve for curve in self.curves if curve.group == group), None)

    def loss(self, value: float) -> float:
        """How much worse than the baseline; negative for a gain."""
        difference = self.baseline.value - value
        return difference if self.higher_is_better else -difference

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "metric": self.metric,
            "higher_is_better": self.higher_is_better,
            "baseline": {"value": self.baseline.value, "error": self.baseline.error},
            "key": dict(self.key),
            "curves": [attrs.asdict(curve) for curve in self.curves],
        }

    def _repr_html_(self) -> str:
        from prunus.report.views import view_sensitivity

        return view_sensitivity(self)


def merged(parts: Sequence[Sensitivity], groups: Sequence[str]) -> Sensitivity:
    """One result of parts that measured different groups of one network.

    Args:
        parts: Results of the same key; at least one.
        groups: Names of all groups, in order.

    Raises:
        StaleError: the parts leave a group out.
    """
    curves = {curve.group: curve for part in parts for curve in part.curves}
    missing = [group for group in groups if group not in curves]
    if missing:
        raise StaleError(
            f"the parts of the analysis leave out group '{missing[0]}'; run them again"
        )
    return attrs.evolve(parts[0], curves=tuple(curves[group] for group in groups))
