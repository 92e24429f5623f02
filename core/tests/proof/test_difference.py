from __future__ import annotations

import numpy as np
import pytest

from prunus.proof import relative_error


def error(first, second):
    return relative_error(np.array(first, np.float32), np.array(second, np.float32))


def test_errors_are_relative_to_the_largest_number():
    assert error([10, 0], [10, 1]) == pytest.approx(0.1)
    assert error([1, 2], [1, 2]) == 0
    assert error([0, 0], [0, 0.5]) == 0.5  # nothing to be relative to
    assert error([], []) == 0


@pytest.mark.parametrize(
    ("first", "second"),
    [([1, 2], [1, np.nan]), ([1, np.nan], [1, 2]), ([np.nan], [np.nan]), ([1], [np.inf]), ([1], [1, 1])],
)  # fmt: skip
def test_what_cannot_be_compared_is_infinitely_wrong(first, second):
    assert error(first, second) == np.inf
