from __future__ import annotations

import numpy as np
import pytest

from prunus.engines.running import Running
from prunus.engines.timing import FEWEST, WARM, timed, timings


def test_shares_are_medians_over_turns_so_that_what_disturbs_both_counts_little():
    calm, disturbed = [10.0, 5.0], [40.0, 20.0]
    clock = np.array([calm, calm, disturbed])
    whole, half = timings(np.stack([clock, np.ones_like(clock)], axis=-1))
    assert (whole.milliseconds, half.milliseconds) == (10, 5)
    assert (whole.share, half.share) == (1, 0.5)
    assert (half.share_low, half.share_high) == (0.5, 0.5)
    assert (half.low, half.high, half.work) == (5, 12.5, 1)


def test_networks_take_turns_and_are_warmed_up():
    ran = []

    def one(name, ms):
        def run(sample):
            ran.append(name)
            return ms

        return Running(lambda sample: {}, milliseconds=run)

    found = timed([(one("a", 4.0), {}), (one("b", 1.0), {})], seconds=1e-9)
    assert ran == ["a", "b"] * (WARM + FEWEST)
    assert found[1].share == pytest.approx(0.25)
