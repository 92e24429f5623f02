"""How long networks take in an engine: runs in turns, so that what disturbs one disturbs all."""

from __future__ import annotations

import time
from collections.abc import Sequence

import attrs
import numpy as np
from numpy.typing import NDArray

from prunus.engines.running import Running, Sample

WARM = 2
"""Turns before the clock counts."""

FEWEST, MOST = 5, 200
"""Turns that count."""

SECONDS = 1.0
"""Time for one network, at least `FEWEST` turns."""


@attrs.frozen
class Timing:
    """Time of one sample.

    Attributes:
        milliseconds: Median.
        low, high: A quarter of the runs was faster, or slower.
        share: Median, over the turns, of this network's time as a share of the first one's.
        share_low, share_high: Quartiles of the same.
        work: Milliseconds of processors, all threads together: a quarter of the runs took less.
            Other programs, for which a run has to wait, change it little.
    """

    milliseconds: float
    low: float
    high: float
    share: float
    share_low: float
    share_high: float
    work: float


def timed(networks: Sequence[tuple[Running, Sample]], seconds: float = SECONDS) -> list[Timing]:
    """Run networks in turns, warmed up; shares are of the first.

    Args:
        networks: Each with its sample.
        seconds: Time for one of them.
    """
    for running, sample in list(networks) * WARM:
        _run(running, sample)
    turns: list[list[tuple[float, float]]] = []
    end = time.perf_counter() + seconds * len(networks)
    while len(turns) < FEWEST or (time.perf_counter() < end and len(turns) < MOST):
        turns.append([_run(running, sample) for running, sample in networks])
    return timings(np.array(turns))


def timings(turns: NDArray[np.float64]) -> list[Timing]:
    """Medians and quartiles of milliseconds ``(turns, networks, 2)``: clock, then processors."""
    clock, work = turns[..., 0], turns[..., 1]
    low, median, high = _quartiles(clock)
    share_low, share, share_high = _quartiles(clock / clock[:, :1])
    columns = (median, low, high, share, share_low, share_high, _quartiles(work)[0])
    return [Timing(*map(float, row)) for row in np.stack(columns).T]


def _quartiles(numbers: NDArray[np.float64]) -> NDArray[np.float64]:
    """``(3, networks)``: lower quartile, median, upper quartile."""
    return np.asarray(np.quantile(numbers, (0.25, 0.5, 0.75), axis=0))


def _run(running: Running, sample: Sample) -> tuple[float, float]:
    """Milliseconds of the clock and of processors; both are the clock's of another process."""
    if running.milliseconds is not None:
        found = running.milliseconds(sample)
        return found, found
    work, start = time.process_time(), time.perf_counter()
    running.run(sample)
    end = time.perf_counter()
    return (end - start) * 1e3, (time.process_time() - work) * 1e3
