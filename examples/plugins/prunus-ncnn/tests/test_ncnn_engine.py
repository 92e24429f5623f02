"""The engine ncnn, on networks of its own and on others."""

from __future__ import annotations

import pytest

pytest.importorskip("prunus_ncnn", reason="pip install -e examples/plugins/prunus-ncnn first")
pytest.importorskip("ncnn", reason="pip install --no-deps ncnn")
pytest.importorskip("pnnx", reason="pip install --no-deps pnnx")

from prunus.testing import engine_checks


@pytest.mark.parametrize("check", engine_checks("ncnn"), ids=str)
def test_conformance(check):
    check()
