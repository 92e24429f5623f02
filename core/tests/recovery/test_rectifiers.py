"""Errors that a rectifier cuts off are not aimed at."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, strategies as st

from prunus.recovery.rectifiers import Rectifier

# libraries compiled with -ffast-math take subnormal numbers away in their process
numbers = st.floats(-20, 20, width=32, allow_subnormal=False)


def cut(rectifier, value):
    return min(max(value, rectifier.slope * value), rectifier.top)


@pytest.mark.parametrize("rectifier", [Rectifier(), Rectifier(0, 6)])
@given(numbers, numbers, numbers)
def test_a_round_never_errs_more_behind_the_rectifier(rectifier, wanted, found, new):
    """Nearer to the aim than the last values were is nearer behind the rectifier."""
    aim = float(rectifier.aim(*(np.float32([value]) for value in (wanted, found)))[0])

    def error(value):
        return (cut(rectifier, value) - cut(rectifier, wanted)) ** 2

    assert error(new) <= (new - aim) ** 2 * (1 + 1e-6) + 1e-9
    stays = wanted > 0 or found > rectifier.top
    assert stays or error(found) == pytest.approx((found - aim) ** 2, abs=1e-9)


def test_values_that_are_cut_off_stay():
    aim = Rectifier().aim(np.float32([-1, -1, 2, 2]), np.float32([-5, 3, -5, 3]))
    assert list(aim) == [-5, 0, 2, 2]
    aim = Rectifier(0, 6).aim(np.float32([7, 7, 3]), np.float32([9, 5, 9]))
    assert list(aim) == [9, 6, 3]


def test_a_slope_lets_a_part_of_the_error_through():
    aim = Rectifier(0.5).aim(np.float32([-4, -4]), np.float32([-8, 2]))
    assert list(aim) == [-7, -2]


@pytest.mark.parametrize("rectifier", [Rectifier(), Rectifier(0, 6), Rectifier(0.1)])
@given(numbers, numbers)
def test_values_slopes_and_shares_are_those_of_the_function(rectifier, wanted, found):
    values = np.float32([found])
    assert rectifier.values(values)[0] == pytest.approx(cut(rectifier, found), abs=1e-5)
    step = 1e-3
    if min(abs(found), abs(found - rectifier.top)) > step:
        rise = cut(rectifier, found + step) - cut(rectifier, found - step)
        assert rectifier.slopes(values)[0] == pytest.approx(rise / (2 * step), abs=1e-3)
    aim = rectifier.aim(np.float32([wanted]), values)[0]
    counted = rectifier.counted(np.float32([wanted]), values)[0]
    assert counted in (0, 1, pytest.approx(rectifier.slope**2))
    assert counted or aim == values[0]  # what counts nothing is aimed at nothing else
