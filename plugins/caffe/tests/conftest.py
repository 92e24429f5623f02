"""Where the shared data and the real Caffe are."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from prunus_caffe.testing import caffe_python


@pytest.fixture(scope="session")
def shared() -> Path:
    default = Path(__file__).parents[4] / "shared"
    root = Path(os.environ.get("PRUNUS_SHARED", default))
    if not (root / "data" / "models" / "caffe").is_dir():
        pytest.skip("the shared models are not there (PRUNUS_SHARED)")
    return root / "data"


@pytest.fixture(scope="session")
def caffe() -> str:
    python = caffe_python()
    if python is None:
        pytest.skip("PRUNUS_CAFFE_PYTHON does not name an interpreter with Caffe")
    return python
