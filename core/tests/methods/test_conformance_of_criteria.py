"""The built-in criteria pass what third parties' have to pass."""

from __future__ import annotations

import pytest

from prunus.testing import ExpectedFailure, criterion_checks

CHECKS = [
    *criterion_checks("l1"),
    *criterion_checks("l2"),
    *criterion_checks("fpgm"),
    *criterion_checks("bn-scale"),
    *criterion_checks("block-obs"),
    *criterion_checks("apoz"),
    *criterion_checks("hrank"),
    *criterion_checks("thinet"),
    *criterion_checks("lamp"),
    *criterion_checks("magnitude"),
    *criterion_checks("obs"),
    *criterion_checks(
        "random",
        expected_failures={
            "follows-a-permutation": ExpectedFailure(
                "it draws by position, not by weight", "when permuted"
            )
        },
    ),
]


@pytest.mark.parametrize("check", CHECKS, ids=str)
def test_conformance(check):
    check()
