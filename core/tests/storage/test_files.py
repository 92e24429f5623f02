from __future__ import annotations

import errno
import json
from pathlib import Path

import attrs
import pytest

from prunus.errors import PrunusError, StaleError
from prunus.network import Written
from prunus.storage.files import make_directory, moved, read_json, write_json


def test_paths_follow_their_files():
    written = Written(Path("s/net.onnx"), None, (Path("s/a/b"), Path("/user/own.prototxt")))
    assert moved(written, Path("s"), Path("out")) == Written(
        Path("out/net.onnx"), None, (Path("out/a/b"), Path("/user/own.prototxt"))
    )
    both = moved(Written(Path("/user/net.cfg"), Path("s/w")), Path("s"), Path("out"))
    assert both == Written(Path("/user/net.cfg"), Path("out/w"))


def test_a_file_where_a_directory_should_be(folder):
    with pytest.raises(PrunusError) as caught:
        make_directory(folder / "old.txt/ws")
    assert str(caught.value) == f"{folder}/old.txt/ws: cannot make the directory (Not a directory)"


def test_json_is_replaced_whole(folder, monkeypatch):
    write_json(folder / "x.json", {"rate": 0.1, "name": "größer"})
    assert read_json(folder / "x.json", dict) == {"rate": 0.1, "name": "größer"}

    def full(self, text, encoding):
        Path(self).write_bytes(text.encode()[:5])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(PrunusError) as caught:
        write_json(folder / "x.json", [1] * 1000)
    assert str(caught.value) == (
        f"{folder}/x.json: cannot write (No space left on device); the old file is kept"
    )
    assert json.loads((folder / "x.json").read_text())["rate"] == 0.1
    assert not list(folder.glob(".x.json*"))


def test_json_on_a_read_only_file_system(folder, monkeypatch):
    def refuse(self, *_, **__):
        raise OSError(errno.EROFS, "Read-only file system", str(self))

    monkeypatch.setattr(Path, "write_text", refuse)
    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(PrunusError) as caught:
        write_json(folder / "x.json", {})
    assert str(caught.value) == (
        f"{folder}/x.json: cannot write (Read-only file system); the old file is kept"
    )


@pytest.mark.parametrize("data", [b'{"half": ', b"\xff\xfe\x00"])
def test_damaged_json(tmp_path, data):
    (tmp_path / "x.json").write_bytes(data)
    with pytest.raises(StaleError) as caught:
        read_json(tmp_path / "x.json", dict)
    assert str(caught.value).startswith(f"{tmp_path}/x.json: damaged (")
    assert str(caught.value).endswith("); remove it and run the step again")


@attrs.frozen
class Round:
    name: str
    rates: tuple[float, ...] = ()


@pytest.mark.parametrize(
    ("data", "why"),
    [
        ('{"name": null}', "Expected str, got null at name"),
        ("{}", "Object missing required field name"),
        ("[]", "Expected object, got array"),
        ('{"name": "a", "rates": [1, "x"]}', "Expected float, got str at rates[1]"),
        ('{"name": "a", "rates": [1e999]}', "Number out of range at rates[0]"),
        ('{"name": "a", "rates": [%s]}' % ("9" * 5000), "Number out of range at rates[0]"),
        ('{"name": "a", "rates": [Infinity]}', "JSON is malformed: invalid character (byte 24)"),
        ('{"x": ' + "[" * 10_000, "maximum recursion depth exceeded while deserializing an object"),
    ],
)  # fmt: skip
def test_other_values_than_expected_name_their_key(tmp_path, monkeypatch, data, why):
    monkeypatch.chdir(tmp_path)
    Path("x.json").write_text(data)
    with pytest.raises(StaleError) as caught:
        read_json(Path("x.json"), Round)
    assert str(caught.value) == f"x.json: damaged ({why}); remove it and run the step again"
