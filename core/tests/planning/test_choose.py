from __future__ import annotations

import numpy as np
import pytest

from prunus.granularity import CHANNELS
from prunus.planning.budget import Budget
from prunus.planning.choose import default_allocation
from prunus.sensitivity import Sensitivity
from prunus.task import Measurement

CURVES = Sensitivity("top-1", True, Measurement(1.0, 0.01), (), {})
SAMPLES = {"x": np.zeros((64, 4), np.float32)}


@pytest.mark.parametrize(
    ("budget", "curves", "samples", "name"),
    [
        (Budget(rate=0.5), None, None, "uniform"),
        (Budget(latency=0.5), None, None, "slow-first"),
        (Budget(rate=0.3, latency=0.5), None, None, "slow-first"),
        (Budget(latency=0.5), CURVES, None, "sensitivity"),
        (Budget(latency=0.5), None, SAMPLES, "search"),
        (Budget(density={"g": 0.5}), None, None, "given"),
        (Budget(threshold=0.1), None, None, "sensitivity"),
    ],
)
def test_the_allocation_of_a_target(budget, curves, samples, name):
    assert default_allocation(budget, curves, CHANNELS, samples) == name
