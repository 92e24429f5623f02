"""Damaged and hostile HDF5 files are refused before they are opened in this process."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from prunus.errors import DataError, ModelError
from prunus.formats import child
from prunus.formats.hdf5 import check_hdf5

h5py = pytest.importorskip("h5py")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.h5"


def refusal(path, error=DataError):
    with pytest.raises(error) as found:
        check_hdf5(path, error)
    return str(found.value).replace(str(path), "a.h5")


def test_a_sound_file_is_read_once_and_asked_again_when_it_changed(path, monkeypatch):
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=np.arange(12.0).reshape(3, 4), chunks=(2, 2))
        file.create_dataset("text", data=["a", "b"])
        file.create_dataset("nothing", data=h5py.Empty("f4"))
        file["loop"] = file["/"]
        file.attrs["kind"] = "test"
    check_hdf5(path)
    with monkeypatch.context() as patch:
        patch.setattr(child.subprocess, "run", None)
        check_hdf5(path)
    path.write_bytes(path.read_bytes()[:-100])
    assert "not a readable HDF5 file (" in refusal(path)


def test_a_file_that_libhdf5_never_ends_to_read(path):
    stored = Path(__file__).with_name("looping.h5.gz").read_bytes()
    path.write_bytes(gzip.decompress(stored))
    wanted = "a.h5: not a readable HDF5 file (damaged: reading it comes to no end)"
    assert refusal(path, ModelError) == wanted


def test_a_crash_is_told_from_a_loop(path, monkeypatch):
    path.write_bytes(b"any")
    died = child.subprocess.CompletedProcess([], -11, "", "")
    monkeypatch.setattr(child.subprocess, "run", lambda *a, **k: died)
    wanted = "a.h5: not a readable HDF5 file (damaged: reading it crashes libhdf5)"
    assert refusal(path) == wanted


def declared(path, shape, **more):
    with h5py.File(path, "w") as file:
        file.create_dataset("x", shape=shape, dtype="f4", **more)


def test_a_data_set_larger_than_any_file_holds_it(path):
    declared(path, (10**6, 10**6), chunks=(10, 10))
    assert "'/x' declares 4000000000000 bytes, the whole file has " in refusal(path)
    declared(path, (10**5, 10**5), chunks=(10**4, 10**4))
    assert "'/x' declares 40000000000 bytes" in refusal(path)


def test_numbers_in_other_files_are_not_read(path, tmp_path):
    (tmp_path / "secret").write_bytes(bytes(4000))
    declared(path, (1000,), external=[(str(tmp_path / "secret"), 0, 4000)])
    wanted = "'/x' keeps its numbers in other files, which are not read"
    assert wanted in refusal(path)
    layout = h5py.VirtualLayout(shape=(10,), dtype="f4")
    layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "x", shape=(10,))
    with h5py.File(path, "w") as file:
        file.create_virtual_dataset("x", layout)
    assert wanted in refusal(path)
    with h5py.File(path, "w") as file:
        file["x"] = h5py.ExternalLink(str(tmp_path / "other.h5"), "/x")
    assert "'x' is a link to another file, which is not followed" in refusal(path)


@pytest.mark.parametrize("content", [b"", b"\x89HDF\r\n\x1a\n", bytes(3000), b"text"])
def test_no_hdf5_at_all(path, content):
    path.write_bytes(content)
    message = refusal(path)
    assert message.startswith("a.h5: not a readable HDF5 file (")
    assert len(message) < 250


def test_a_missing_file(path):
    assert refusal(path) == "a.h5: cannot be read (No such file or directory)"
