from __future__ import annotations

import hashlib
import os

import pytest

from prunus.errors import DataError
from prunus.evaluation import contents
from prunus.evaluation.contents import contents_digest


@pytest.fixture
def files(tmp_path):
    paths = [tmp_path / name for name in "ab"]
    for path in paths:
        path.write_bytes(path.name.encode() * 100)
    return paths


def test_bytes_replaced_at_equal_size_are_seen(files):
    before = contents_digest(files)
    assert contents_digest(files) == before
    assert contents_digest(reversed(files)) != before
    files[1].write_bytes(b"c" * 100)
    assert contents_digest(files) != before


def test_an_old_time_does_not_hide_a_new_file(files, tmp_path):
    before, kept = contents_digest(files), os.stat(files[0])
    (tmp_path / "new").write_bytes(b"n" * 100)
    os.utime(tmp_path / "new", ns=(kept.st_atime_ns, kept.st_mtime_ns))
    os.replace(tmp_path / "new", files[0])
    assert contents_digest(files) != before


def test_an_unchanged_file_is_read_once(files, monkeypatch):
    before = contents_digest(files)
    monkeypatch.setattr(hashlib, "file_digest", None)
    assert contents_digest(files) == before


def test_places_do_not_count(files, tmp_path):
    before = contents_digest(files)
    moved = [path.rename(tmp_path / f"moved-{path.name}") for path in files]
    assert contents_digest(moved) == before


def test_a_file_that_is_gone(tmp_path):
    with pytest.raises(DataError) as found:
        contents.contents_digest([tmp_path / "no.png"])
    assert str(found.value) == f"{tmp_path / 'no.png'}: cannot be read (No such file or directory)"
