from __future__ import annotations

import os
from pathlib import Path

import pytest

from prunus.regular_files import check_regular, read_regular


def test_a_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"abc")
    assert read_regular(tmp_path / "f") == b"abc"


def test_pipes_directories_devices_and_impossible_names(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    found = {}
    for path in (tmp_path / "pipe", tmp_path, Path("/dev/null"), tmp_path / "none", Path("a\0b")):
        with pytest.raises(OSError, match=r"\w") as error:
            check_regular(path)
        found[path.name] = error.value.strerror
    assert list(found.values()) == [
        "it is a pipe, not a file",
        "it is a directory, not a file",
        "it is a device, not a file",
        "No such file or directory",
        "its name is no file name",
    ]
