"""Numbers as people read them."""

from __future__ import annotations

import math

_SI = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


def short(number: float) -> str:
    """Three digits and a sign of thousands: ``4.12 G``, ``857``."""
    for factor, sign in _SI:
        if abs(number) >= factor * 0.9995:
            return f"{_digits(number / factor)} {sign}"
    return f"{number:,.0f}" if float(number).is_integer() else _digits(number)


def percent(share: float) -> str:
    """A share as per cent, with a decimal below ten: ``42 %``, ``0.4 %``."""
    value = 100 * share
    text = f"{value:.1f}" if abs(value) < 9.95 or 99 < abs(value) < 100 else f"{value:.0f}"
    return f"{text.removesuffix('.0')} %"


def change(before: float, after: float) -> str:
    """By how much a count fell or grew: ``−50 %``, ``+3 %``; empty without a count before."""
    if not before:
        return ""
    share = after / before - 1
    sign = "−" if share < 0 else "+"
    return "±0 %" if abs(share) < 5e-4 else f"{sign}{percent(abs(share))}"


def measured(value: float, error: float = 0.0) -> str:
    """A metric and its standard error, to four decimals."""
    return f"{value:.4f}" + (f" ± {error:.4f}" if error else "")


def ticks(low: float, high: float, most: int = 4) -> tuple[float, ...]:
    """At most ``most`` round numbers within bounds, in steps of 1, 2, 2.5 or 5 times 10^n."""
    width = high - low
    if not width > 0 or not math.isfinite(width):
        return (low,)
    power = 10.0 ** math.floor(math.log10(width / most))
    for factor in (1, 2, 2.5, 5, 10, 20):
        step = factor * power
        first = math.ceil(low / step - 1e-9)
        last = math.floor(high / step + 1e-9)
        if last - first + 1 <= most:
            return tuple(number * step for number in range(first, last + 1))
    return (low, high)


def _digits(number: float) -> str:
    decimals = max(0, 2 - max(0, math.floor(math.log10(abs(number))))) if number else 0
    return f"{number:.{decimals}f}"
