"""The built-in criteria pass what third parties' have to pass."""

from __future__ import annotations

import pytest

from prunus.testing import criterion_checks

CHECKS = [
    *criterion_checks("l1"),
    *criterion_checks("l2"),
    *criterion_checks("fpgm"),
    *criterion_checks("bn-scale"),
    *criterion_checks(
        "random", expected_failures={"follows-a-permutation": "it draws by position, not by weight"}
    ),
]


@pytest.mark.parametrize("check", CHECKS, ids=str)
def test_conformance(check):
    check()
