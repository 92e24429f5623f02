"""The built-in metrics, allocations and analyses, and the commands of our plugins, pass the kit."""

from __future__ import annotations

import pytest

from prunus.cli.plugin_commands import offered
from prunus.testing import allocation_checks, analysis_checks, command_checks, metric_checks

CHECKS = [
    *(check for name in ("accuracy", "fidelity", "loss") for check in metric_checks(name)),
    *(
        check
        for name in ("global", "search", "sensitivity", "slow-first", "uniform")
        for check in allocation_checks(name)
    ),
    *(check for name in ("exact", "fast", "sweep") for check in analysis_checks(name)),
    *(
        check
        for name in ("darknet", "tensorflow")
        if name in offered()
        for check in command_checks(name)
    ),
]


@pytest.mark.parametrize("check", CHECKS, ids=str)
def test_conformance(check):
    check()
