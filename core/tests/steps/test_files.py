from __future__ import annotations

import errno
import json
from pathlib import Path

import pytest

from prunus.errors import PrunusError, StaleError
from prunus.network import Written
from prunus.steps.files import make_directory, moved, read_json, staged, write_json


def contents(directory: Path) -> dict[str, str]:
    files = (path for path in directory.rglob("*") if path.is_file())
    return {str(path.relative_to(directory)): path.read_text() for path in files}


@pytest.fixture
def place(tmp_path):
    """A directory that holds results already."""
    (tmp_path / "out/model").mkdir(parents=True)
    (tmp_path / "out/old.txt").write_text("old")
    (tmp_path / "out/same.txt").write_text("before")
    (tmp_path / "out/model/part").write_text("before")
    return tmp_path / "out"


def test_files_and_directories_move_to_their_place(place):
    with staged(place) as stage:
        (stage / "same.txt").write_text("after")
        (stage / "model").mkdir()
        (stage / "model/other").write_text("after")
        assert contents(place)["same.txt"] == "before"
    assert contents(place) == {"old.txt": "old", "same.txt": "after", "model/other": "after"}


def failing(place: Path, error: Exception) -> None:
    with staged(place) as stage:
        (stage / "same.txt").write_text("after")
        raise error


def test_an_error_changes_nothing(place):
    before = contents(place)
    with pytest.raises(ValueError, match="half way"):
        failing(place, ValueError("half way"))
    assert contents(place) == before


def test_a_full_disk_changes_nothing(place):
    before = contents(place)
    with pytest.raises(PrunusError) as caught:
        failing(place, OSError(errno.ENOSPC, "No space left on device"))
    assert str(caught.value) == (
        f"{place}: cannot write (No space left on device); nothing was changed"
    )
    assert contents(place) == before


def test_paths_follow_their_files():
    written = Written(Path("s/net.onnx"), None, (Path("s/a/b"), Path("/user/own.prototxt")))
    assert moved(written, Path("s"), Path("out")) == Written(
        Path("out/net.onnx"), None, (Path("out/a/b"), Path("/user/own.prototxt"))
    )
    both = moved(Written(Path("/user/net.cfg"), Path("s/w")), Path("s"), Path("out"))
    assert both == Written(Path("/user/net.cfg"), Path("out/w"))


def test_a_file_where_a_directory_should_be(place):
    with pytest.raises(PrunusError) as caught:
        make_directory(place / "old.txt/ws")
    assert str(caught.value) == f"{place}/old.txt/ws: cannot make the directory (Not a directory)"


def test_json_is_replaced_whole(place, monkeypatch):
    write_json(place / "x.json", {"rate": 0.1, "name": "größer"})
    assert read_json(place / "x.json") == {"rate": 0.1, "name": "größer"}

    def full(self, text, encoding):
        Path(self).write_bytes(text.encode()[:5])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(PrunusError) as caught:
        write_json(place / "x.json", [1] * 1000)
    assert str(caught.value) == (
        f"{place}/x.json: cannot write (No space left on device); the old file is kept"
    )
    assert json.loads((place / "x.json").read_text())["rate"] == 0.1
    assert not list(place.glob(".x.json*"))


@pytest.mark.parametrize("data", [b'{"half": ', b"\xff\xfe\x00"])
def test_damaged_json(tmp_path, data):
    (tmp_path / "x.json").write_bytes(data)
    with pytest.raises(StaleError) as caught:
        read_json(tmp_path / "x.json")
    assert str(caught.value).startswith(f"{tmp_path}/x.json: damaged (")
    assert str(caught.value).endswith("); remove it and run the step again")


def test_a_directory_is_replaced_and_its_old_files_are_gone(place):
    for name in ("old", "new"):
        with staged(place) as stage:
            (stage / "model").mkdir()
            (stage / "model" / name).write_text(name)
    assert [path.name for path in (place / "model").iterdir()] == ["new"]
    assert not list(place.glob(".*"))
