"""Parts of an analysis, measured anywhere, give the result of the whole."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import attrs
import pytest

from prunus.errors import StaleError, UsageError
from prunus.sensitivity import merged
from prunus.steps import analyze_parts
from prunus.steps.analyze import analyze
from prunus.steps.analyze_parts import analyze_part, spread

RATIOS = (0.25, 0.5)


def test_parts_put_together_are_the_whole(host, settings, monkeypatch):
    whole = analyze(host, attrs.evolve(settings, workspace=Path("whole")), RATIOS).sensitivity
    monkeypatch.setattr(analyze_parts, "start", lambda: host)
    with ThreadPoolExecutor(2) as executor:
        files = spread(executor, settings, 2, RATIOS)
    assert [file.name for file in files] == ["ana.part-1-of-2.json", "ana.part-2-of-2.json"]
    reported = []
    found = analyze(host, settings, RATIOS, lambda *now: reported.append(now))
    assert found.sensitivity.to_json() == whole.to_json()
    assert reported == []  # nothing was measured again


def test_parts_of_another_analysis_are_left_alone(host, settings):
    analyze_part(host, settings, 1, 1, (0.5,))
    found = analyze(host, settings, RATIOS).sensitivity
    assert {point.ratio for curve in found.curves for point in curve.points} == set(RATIOS)


def test_a_missing_part_is_measured_with_all_others(host, settings):
    analyze_part(host, settings, 1, 2, RATIOS)
    assert len(analyze(host, settings, RATIOS).sensitivity.curves) == 3


def test_more_parts_than_groups(host, settings):
    for number in range(1, 6):
        analyze_part(host, settings, number, 5, RATIOS)
    assert len(analyze(host, settings, RATIOS).sensitivity.curves) == 3


def test_there_is_no_part_zero(host, settings):
    with pytest.raises(UsageError) as caught:
        analyze_part(host, settings, 0, 2)
    assert str(caught.value) == "part 0 of 2: parts are counted from 1 to 2"


def test_parts_that_leave_a_group_out(host, settings):
    whole = analyze(host, settings, RATIOS).sensitivity
    part = attrs.evolve(whole, curves=whole.curves[1:])
    with pytest.raises(StaleError) as caught:
        merged([part], [curve.group for curve in whole.curves])
    assert str(caught.value) == (
        "the parts of the analysis leave out group 'conv1'; run them again"
    )
