"""A working directory with a network."""

from __future__ import annotations

from pathlib import Path

import onnx_ir as ir
import pytest

from prunus.network import Network


@pytest.fixture
def files(tmp_path: Path, lenet: Network, monkeypatch: pytest.MonkeyPatch) -> Path:
    """net.onnx in the working directory."""
    monkeypatch.chdir(tmp_path)
    ir.save(lenet.model, "net.onnx")
    return tmp_path
