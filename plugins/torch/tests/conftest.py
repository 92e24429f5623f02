"""Skips these tests, with a reason, where PyTorch is not installed."""

from __future__ import annotations

from typing import Any

import pytest


def pytest_pycollect_makemodule(parent: Any) -> None:
    """The modules import torch at the top, so nothing of this folder can be collected without."""
    pytest.importorskip("torch", reason="PyTorch is not installed")
    pytest.importorskip("prunus_torch", reason="prunus-torch is not installed")
