"""All files of a network count, whatever of them was named."""

from __future__ import annotations

from pathlib import Path

import pytest

from prunus.network import Source, Written
from prunus.steps.report import size_on_disk
from prunus_tensorflow.files import files_of
from prunus_tensorflow.plugin import prunus_register


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A graph of 100 bytes, a checkpoint of 20 + 3, and others' files beside them."""
    parts = {"net.index": 3, "net.data-00000-of-00002": 10, "net.data-00001-of-00002": 10}
    for name, size in {**parts, "net.meta": 100, "net.pbtxt": 100, "net2.index": 7}.items():
        (tmp_path / name).write_bytes(b"x" * size)
    saved = tmp_path / "saved"
    (saved / "variables").mkdir(parents=True)
    (saved / "saved_model.pb").write_bytes(b"x" * 5)
    (saved / "variables/variables.index").write_bytes(b"x" * 6)
    return tmp_path


@pytest.mark.parametrize(
    ("model", "weights", "bytes_"),
    [
        ("net.meta", None, 123),
        ("net.meta", "net", 123),
        ("net.meta", "net.index", 123),
        ("net.pbtxt", "net", 123),
        ("net.pbtxt", "net.data-00000-of-00002", 123),
        ("net.pbtxt", None, 100),
        ("saved", None, 11),
        ("saved/saved_model.pb", None, 11),
    ],
)
def test_sizes(model: str, weights: str | None, bytes_: int, folder: Path) -> None:
    own = next(one for one in prunus_register() if one.name == "tensorflow")
    written = Written(folder / model, None if weights is None else folder / weights)
    assert size_on_disk(written, own) == bytes_  # type: ignore[arg-type]


def test_names_that_are_patterns(tmp_path: Path) -> None:
    for name in ("a[1].index", "a1.index"):
        (tmp_path / name).write_bytes(b"")
    found = files_of(Source(tmp_path / "a.pbtxt", tmp_path / "a[1]"))
    assert found == (tmp_path / "a[1].index",)
