from __future__ import annotations

import pytest

from prunus.report.curves import sensitivity_charts
from prunus.sensitivity import Curve, Point, Sensitivity
from prunus.task import Measurement


@pytest.fixture
def sensitivity():
    curves = (
        Curve("conv1", 10, (Point(0.2, 8, 0.8, 0.05), Point(0.5, 5, 0.4, 0.05))),
        Curve("conv2", 4, (Point(0.5, 2, 0.9, 0.0),)),
    )
    return Sensitivity("top-1", True, Measurement(0.9, 0.01), curves, {})


def test_points_lie_at_what_was_really_removed(sensitivity):
    first, second = sensitivity_charts(sensitivity, {"conv1": 0.5})
    width = first.right - first.left
    assert [(mark.x - first.left) / width for mark in first.marks] == pytest.approx(
        [0.2, 0.5], abs=0.01
    )
    assert first.chosen == first.marks[1].x
    assert second.chosen == second.left
    assert first.marks[0].text == "20 % removed: 0.8000 ± 0.0500"


def test_one_scale_and_intervals(sensitivity):
    first, second = sensitivity_charts(sensitivity)
    assert first.level == second.level == second.marks[0].y
    assert first.up == second.up
    low, high = first.marks[0].low, first.marks[0].high
    unit = (first.marks[1].y - first.marks[0].y) / 0.4
    assert (low - high) / unit == pytest.approx(2 * 1.96 * 0.05, rel=0.02)
    assert first.band
    assert not second.band
    assert first.chosen is None


def test_everything_lies_inside(sensitivity):
    for chart in sensitivity_charts(sensitivity):
        for mark in chart.marks:
            assert chart.left <= mark.x <= chart.right
            assert chart.top <= mark.high <= mark.y <= mark.low <= chart.bottom
