"""The network after every step as rows of a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from prunus.report import numbers
from prunus.report.page import Count, Row

if TYPE_CHECKING:
    from prunus.steps.report import Stage

Staged = Sequence[tuple[str, str, "Stage"]]
"""Name, round and numbers of the network after every step, the original first."""

_COUNTS = ("macs", "params", "bytes", "milliseconds")


def measures_of(stages: Staged) -> tuple[str, ...]:
    """Names of the measures beside the metric."""
    return tuple(dict.fromkeys(name for _, _, stage in stages for name in stage.beside))


def rows_of(stages: Staged) -> tuple[Row, ...]:
    """Rows of a table; counts as shares of the first row's."""
    names = measures_of(stages)
    return tuple(
        Row(
            name,
            round_,
            "not measured" if stage.metric is None else _measured(stage),
            tuple(
                numbers.measured(stage.beside[one].value) if one in stage.beside else ""
                for one in names
            ),
            tuple(_count(stage, stages[0][2], field) for field in _COUNTS),
        )
        for name, round_, stage in stages
    )


def _count(stage: Stage, first: Stage, field: str) -> Count:
    value, whole = getattr(stage, field), getattr(first, field)
    if value is None:
        return Count("")
    text = f"{value:.3f}" if field == "milliseconds" else f"{value:,}"
    return Count(text, min(value / whole, 1.0) if whole else None)


def _measured(stage: Stage) -> str:
    assert stage.metric is not None
    return numbers.measured(stage.metric.value, stage.metric.error)
