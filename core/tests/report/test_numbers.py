from __future__ import annotations

import pytest

from prunus.report.numbers import change, measured, percent, short, ticks


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"), (7, "7"), (857, "857"), (999.4, "999"), (1000, "1.00 k"), (2_293_000, "2.29 M"),
        (999_600, "1.00 M"), (12_345, "12.3 k"), (4_119_000_000, "4.12 G"), (0.25, "0.25"),
    ],
)  # fmt: skip
def test_short(number, text):
    assert short(number) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [(0, "0 %"), (0.5, "50 %"), (0.0042, "0.4 %"), (0.096, "9.6 %"), (0.0998, "10 %"), (1, "100 %"),
     (0.9996, "100 %"), (0.994, "99.4 %")],
)  # fmt: skip
def test_percent(share, text):
    assert percent(share) == text


def test_change():
    assert change(200, 100) == "−50 %"
    assert change(100, 103) == "+3 %"
    assert change(100, 100) == "±0 %"
    assert change(0, 5) == ""


def test_measured():
    assert measured(0.97402, 0.005) == "0.9740 ± 0.0050"
    assert measured(0.5) == "0.5000"


@pytest.mark.parametrize(
    ("low", "high", "found"),
    [
        (0, 1, (0, 0.5, 1)),
        (0.2, 1.02, (0.25, 0.5, 0.75, 1)),
        (-3, 7, (-2.5, 0, 2.5, 5)),
        (5, 5, (5,)),
    ],
)
def test_ticks_are_round_and_few(low, high, found):
    assert ticks(low, high) == pytest.approx(found)
