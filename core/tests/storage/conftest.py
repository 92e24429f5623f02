"""A directory with files of an earlier run."""

from __future__ import annotations

import pytest


@pytest.fixture
def place(tmp_path):
    """A directory that holds results already."""
    (tmp_path / "out/model").mkdir(parents=True)
    (tmp_path / "out/old.txt").write_text("old")
    (tmp_path / "out/same.txt").write_text("before")
    (tmp_path / "out/model/part").write_text("before")
    return tmp_path / "out"
