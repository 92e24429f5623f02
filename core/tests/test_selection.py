from __future__ import annotations

import numpy as np
import pytest

from prunus.groups import Group, Member
from prunus.selection import choose_units


def group(size, *rows):
    return Group("g", ("g",), (Member("w", "filter", (0,), np.arange(size)[:, None]),), rows)


def membership(row_of):
    row_of = np.array(row_of)
    return (row_of[None] == np.arange(row_of.max() + 1)[:, None]).astype(np.int64)


def test_best_scores_win_and_ties_go_by_position():
    assert choose_units(group(4), np.array([1.0, 3, 1, 2]), 3).tolist() == [True, True, False, True]


@pytest.mark.parametrize("count", [0, 1])
def test_one_unit_always_stays(count):
    assert choose_units(group(3), np.zeros(3), count).sum() == 1


def test_rows_keep_equal_numbers_and_the_best_of_each():
    rows = membership([0, 0, 0, 1, 1, 1])
    keep = choose_units(group(6, rows), np.array([9.0, 8, 7, 1, 2, 3]), 4)
    assert keep.tolist() == [True, True, False, False, True, True]


def test_infeasible_number_takes_the_next_feasible_one():
    rows = membership([0, 0, 0, 1, 1, 1])
    assert choose_units(group(6, rows), np.arange(6.0), 3).sum() == 4


def test_two_families_of_rows_are_balanced_together(draw):
    first = membership(np.repeat(np.arange(3), 8))
    second = membership(np.tile(np.repeat(np.arange(3), 3), 3)[:24] % 3)
    both = group(24, first, first[:, draw.permutation(24)])
    keep = choose_units(both, draw.random(24), 12)
    for rows in both.rows:
        assert len(set((rows * keep).sum(1).tolist())) == 1
    assert keep.sum() >= 12
    assert second.shape == (3, 24)
