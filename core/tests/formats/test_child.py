"""Files that a child process reads first; crash and loop are tested where libraries have them."""

from __future__ import annotations

import pytest

from prunus.formats.child import answer_as_child, damage_of


def test_a_missing_file(tmp_path):
    with pytest.raises(OSError, match="No such file"):
        damage_of(tmp_path / "none", "prunus.formats.hdf5_visit", "libhdf5")


def test_a_child_that_cannot_start_says_nothing_about_the_file(tmp_path):
    (tmp_path / "a").touch()
    found = damage_of(tmp_path / "a", "prunus.formats.no_such_module", "library")
    assert found.startswith("it could not be checked: ")
    assert "No module named prunus.formats.no_such_module" in found


def refuse(error):
    def read(path):
        raise error

    return read


@pytest.mark.parametrize(
    ("error", "line"),
    [(OSError("too\n short"), "too short"), (KeyError(), "KeyError"), (ValueError("x" * 999), 150)],
)
def test_the_reason_is_one_line(tmp_path, monkeypatch, capsys, error, line):
    monkeypatch.setattr("prunus.formats.child._limit", lambda seconds: None)
    (tmp_path / "a").touch()
    assert answer_as_child(str(tmp_path / "a"), refuse(error)) == 1
    said = capsys.readouterr().out
    assert said == line or len(said) == line


def test_a_missing_library_is_no_damage(tmp_path, monkeypatch):
    monkeypatch.setattr("prunus.formats.child._limit", lambda seconds: None)
    (tmp_path / "a").touch()
    with pytest.raises(ImportError):
        answer_as_child(str(tmp_path / "a"), refuse(ImportError("no h5py")))
