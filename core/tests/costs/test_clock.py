"""Shares of time, as planning asks for them."""

from __future__ import annotations

from contextlib import nullcontext

import pytest

from prunus.costs import clock as module
from prunus.costs.clock import Clock
from prunus.engines.hold import Runnable
from prunus.engines.timing import Timing
from prunus.results import host


def test_shares_are_of_the_clock_in_undisturbed_runs(lenet, monkeypatch):
    """Disturbed runs raise medians; processor time may stay where the clock falls."""
    before = Timing(20, 10, 30, 1, 1, 1, 16)
    after = Timing(19, 4, 40, 0.9, 0.4, 2, 16)
    monkeypatch.setattr(module, "held", lambda *_: nullcontext())
    monkeypatch.setattr(module, "timed", lambda networks: [before, after])
    whole = Runnable.whole(lenet)
    assert list(Clock(host()).shares(whole, [lambda: whole] * 2)) == pytest.approx([0.4, 0.4])
