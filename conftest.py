"""Settings of every test run.

PRUNUS_REQUIRE=caffe,darknet,… (set by .ci/run) turns a skip of a test with such a
marker, or of a whole test module, into a failure: green means the frameworks agreed.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import pytest
from hypothesis import settings

# on a busy machine any example may take long
settings.register_profile("any-machine", deadline=None)
settings.load_profile("any-machine")

# as the torch trainer sets it, for tests that load torch before: spinning threads of one test
# process would take the processors from the other
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# two processes test side by side: threads that wait for each other would take turns (and of Caffe)
for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(name, "1")

# a build of torch for CUDA brings triton, which ends the process where TensorFlow came first
if find_spec("triton") is not None and find_spec("tensorflow") is not None:
    import_module("triton")

REQUIRED = {name for name in os.environ.get("PRUNUS_REQUIRE", "").split(",") if name}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[Any]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail a skipped test whose framework is required."""
    report = yield
    markers = {mark.name for mark in item.iter_markers()} & REQUIRED
    if "is no text file" in str(report.longrepr):  # a promise of formats of text, no lack
        return report
    if report.skipped and markers and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = (
            f"skipped although {', '.join(sorted(markers))} is required: {report.longrepr}"
        )
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Fail a test module that skips itself."""
    report = yield
    if report.skipped and REQUIRED:
        report.outcome = "failed"
        report.longrepr = f"module skipped although everything is required: {report.longrepr}"
    return report
