from __future__ import annotations

import math

import numpy as np
import pytest

from prunus.ranges import COUNT, COUNT_OR_NONE, FINITE, POSITIVE, SHARE, SHARE_BELOW_ONE, Range


@pytest.mark.parametrize(
    ("chosen", "inside", "outside", "words"),
    [
        (COUNT, (1, 7.0, 2**31 - 1), (0, 1.5, 2**31, math.inf), "a whole number from 1"),
        (COUNT_OR_NONE, (0,), (-1, math.nan), "a whole number from 0"),
        (POSITIVE, (1e-30,), (0, -2147483648, math.nan, math.inf), "a number above 0"),
        (SHARE, (0, 1), (-0.1, 1.1), "a number from 0 to 1"),
        (SHARE_BELOW_ONE, (0, 0.999), (1,), "a number from 0 to below 1"),
        (FINITE, (-1e30, 0), (math.inf, -math.inf, math.nan), "a number that is finite"),
        (Range(1, 5), (1, 5), (0.5, 6), "a number from 1 to 5"),
    ],
)
def test_ranges(chosen: Range, inside, outside, words: str) -> None:
    assert all(chosen.holds(value) for value in inside)
    assert not any(chosen.holds(value) for value in outside)
    assert str(chosen) == words


@pytest.mark.parametrize("strange", ["3", None, True, np.True_, [1], 1j, 10**400, b"1"], ids=repr)
def test_what_is_no_real_number_is_in_no_range(strange):
    assert not any(chosen.holds(strange) for chosen in (COUNT, COUNT_OR_NONE, POSITIVE, FINITE))


@pytest.mark.parametrize("number", [3, 3.0, np.float32(3), np.int64(3), np.uint8(3)])
def test_numbers_of_numpy_are_numbers(number):
    assert all(chosen.holds(number) for chosen in (COUNT, POSITIVE, FINITE, Range(1, 5)))
