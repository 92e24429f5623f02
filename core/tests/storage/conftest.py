"""A folder with files of an earlier run."""

from __future__ import annotations

import pytest


@pytest.fixture
def folder(tmp_path):
    """A folder that holds results already."""
    (tmp_path / "out/model").mkdir(parents=True)
    (tmp_path / "out/old.txt").write_text("old")
    (tmp_path / "out/same.txt").write_text("before")
    (tmp_path / "out/model/part").write_text("before")
    return tmp_path / "out"
