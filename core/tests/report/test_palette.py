from __future__ import annotations

import pytest

from prunus.report.palette import DARK, LIGHT, LINES, TEXTS, contrast, step_of


def test_contrast_as_wcag_defines_it():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#ffffff", "#777777") == pytest.approx(4.48, abs=0.01)  # known near miss
    assert contrast("#336699", "#336699") == 1


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
def test_text_and_lines_reach_level_aa(colours):
    texts = {pair: contrast(colours[pair[0]], colours[pair[1]]) for pair in TEXTS}
    lines = {pair: contrast(colours[pair[0]], colours[pair[1]]) for pair in LINES}
    assert {pair: ratio for pair, ratio in texts.items() if ratio < 4.5} == {}
    assert {pair: ratio for pair, ratio in lines.items() if ratio < 3} == {}


def test_both_schemes_have_the_same_names():
    assert LIGHT.keys() == DARK.keys()


def test_steps_begin_where_they_say():
    assert [step_of(share) for share in (0, 1e-9, 0.19, 0.2, 0.59, 0.6, 0.8, 0.999)] == [
        0, 1, 1, 2, 3, 4, 5, 5,
    ]  # fmt: skip
