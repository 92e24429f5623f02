"""All a third party needs: the conformance kit, and tests of the formula."""

from __future__ import annotations

import numpy as np
import pytest

prunus_sample = pytest.importorskip(
    "prunus_sample", reason="pip install -e tests/sample_plugin first"
)

from prunus.testing import criterion_checks  # noqa: E402


@pytest.mark.parametrize("check", criterion_checks("cosine"), ids=str)
def test_conformance(check):
    check()


def test_twins_score_lowest_whatever_their_length():
    weights = np.array([[1.0, 0, 0], [3.0, 0, 0], [0, 1.0, 0], [0, 0, 1.0]])
    assert prunus_sample.distinctness(weights).tolist() == pytest.approx([2 / 3, 2 / 3, 1, 1])


def test_opposite_filters_repeat_each_other():
    assert prunus_sample.distinctness(np.array([[1.0, 2], [-1, -2]])).tolist() == pytest.approx(
        [0, 0]
    )


def test_a_dead_filter_goes_first():
    scores = prunus_sample.distinctness(np.array([[0.0, 0], [1, 1], [1, -1]]))
    assert scores[0] == 0
    assert scores[1:].min() > 0
