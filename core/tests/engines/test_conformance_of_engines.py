from __future__ import annotations

import pytest

from prunus.testing import engine_checks


@pytest.mark.parametrize("check", engine_checks("onnxruntime"), ids=str)
def test_conformance(check):
    check()
