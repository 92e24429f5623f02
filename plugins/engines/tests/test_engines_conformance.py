"""OpenCV and OpenVINO pass the kit, and refuse in one line what they cannot run."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from prunus.testing import engine_checks

ENGINES = {"opencv": "cv2", "openvino": "openvino"}


def _here(engine, check):
    marks = [getattr(pytest.mark, engine)]
    if find_spec(ENGINES[engine]) is None:
        marks.append(pytest.mark.skip(reason=f"{ENGINES[engine]} is not installed"))
    elif str(check).endswith("quantises") and find_spec("nncf") is None:
        marks.append(pytest.mark.skip(reason="nncf is not installed"))
    return pytest.param(check, marks=marks, id=str(check))


pytest.importorskip("prunus_engines", reason="prunus-engines is not installed")

CHECKS = [_here(engine, check) for engine in ENGINES for check in engine_checks(engine)]


@pytest.mark.parametrize("check", CHECKS)
def test_conformance(check):
    check()
