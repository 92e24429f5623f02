"""Test kit for plugin authors: small networks, random graphs and conformance checks.

Each check is a callable that raises `AssertionError`; pytest is not needed to run it::

    for check in criterion_checks("l1"):
        check()

    @pytest.mark.parametrize("check", criterion_checks("l1"), ids=str)
    def test_conformance(check):
        check()

`prunus.testing.command_line` tests what users see of a plugin: its messages, and what a
full disk or a kill leaves behind.
"""

from __future__ import annotations

from prunus.testing.check import Check, ExpectedFailure
from prunus.testing.checks_allocation import allocation_checks
from prunus.testing.checks_analysis import analysis_checks
from prunus.testing.checks_command import command_checks
from prunus.testing.checks_criterion import criterion_checks
from prunus.testing.checks_engine import engine_checks
from prunus.testing.checks_format import format_checks
from prunus.testing.checks_metric import metric_checks
from prunus.testing.checks_refusal import Unknown
from prunus.testing.checks_sharing import sharing_checks
from prunus.testing.checks_trainer import trainer_checks
from prunus.testing.cut import Cut, cut, random_plan
from prunus.testing.examples import Examples

__all__ = [
    "Check",
    "Cut",
    "Examples",
    "ExpectedFailure",
    "Unknown",
    "allocation_checks",
    "analysis_checks",
    "command_checks",
    "criterion_checks",
    "cut",
    "engine_checks",
    "format_checks",
    "metric_checks",
    "random_plan",
    "sharing_checks",
    "trainer_checks",
]
