from __future__ import annotations

import numpy as np
import pytest

from prunus.errors import UsageError
from prunus.groups import Group, Member
from prunus.planning.budget import Planning, check_loss


def group(size, *rows):
    return Group("g", ("g",), (Member("w", "filter", (0,), np.arange(size)[:, None]),), rows)


def planning(g, scores=None, present=None):
    scores = np.arange(g.size, dtype=float) if scores is None else scores
    present = np.ones(g.size, bool) if present is None else present
    return Planning((g,), {"g": scores}, {"g": present}, None, None)


@pytest.mark.parametrize(
    ("size", "multiple", "levels"),
    [
        (6, 2, [6, 4, 2]),
        (7, 2, [7, 6, 4, 2]),
        (8, 8, [8]),
        (9, 8, [9, 8]),
        (3, 1, [3, 2, 1]),
        (1, 1, [1]),
        (4, 16, [4]),
    ],
)
def test_levels_are_multiples_below_the_whole(size, multiple, levels):
    assert planning(group(size)).levels(group(size), multiple).tolist() == levels


def test_levels_start_at_what_earlier_rounds_left():
    g = group(8)
    present = np.arange(8) < 5
    assert planning(g, present=present).levels(g, 2).tolist() == [5, 4, 2]


def test_levels_divide_into_rows():
    rows = np.repeat(np.eye(3, dtype=np.int64), 4, axis=1)
    assert planning(group(12, rows)).levels(group(12, rows), 2).tolist() == [12, 6]


def test_what_went_in_earlier_rounds_does_not_come_back():
    """Although its scores may be the best now."""
    g = group(4)
    present = np.array([False, True, True, True])
    plan = planning(g, scores=np.array([9.0, 1, 2, 3]), present=present)
    assert plan.keep({"g": 2})["g"].tolist() == [False, False, True, True]
    assert plan.keep({"g": 3})["g"].tolist() == present.tolist()


def test_whole_groups_are_left_out_of_a_plan():
    assert planning(group(4)).keep({"g": 4}) == {}


def test_hundredths_of_a_share_are_no_loss():
    for loss, meant in ((1.0, "; did you mean 0.01?"), (2.5, "; did you mean 0.025?"), (100.0, "")):
        with pytest.raises(UsageError) as caught:
            check_loss(loss, "top-1", 0.974, rises=True, said="--max-loss")
        assert str(caught.value) == (
            f"--max-loss {loss:g}: top-1 of the original is 0.974, so that any network would do"
            f"{meant}"
        )


@pytest.mark.parametrize(
    ("loss", "baseline", "rises"),
    [(None, 0.9, True), (0.99, 0.9, True), (1.0, 91.2, True), (1.0, 0.5, False), (1.0, -0.5, True)],
)
def test_other_losses_are_possible(loss, baseline, rises):
    check_loss(loss, "mine", baseline, rises=rises, said="max_loss")
