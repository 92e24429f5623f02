"""The user's own Python, from files and modules."""

from __future__ import annotations

from pathlib import Path

import pytest

from prunus.errors import PluginError, UsageError
from prunus_tensorflow.user_code import Reference, load_module, reference


@pytest.mark.parametrize(
    ("text", "source", "name"),
    [
        ("own.py:train", "own.py", "train"),
        ("some/where/own.py:train", "some/where/own.py", "train"),
        ("C:/own.py:train", "C:/own.py", "train"),
        ("package.module:train", "package.module", "train"),
    ],
)
def test_references(text: str, source: str, name: str) -> None:
    assert reference(text) == Reference(source, name)


@pytest.mark.parametrize("text", ["own.py", "train.npz", "x.npz:mean=3", "module:", ":train", ""])
def test_other_texts_are_no_references(text: str) -> None:
    assert reference(text) is None


def test_file_may_import_its_neighbours(tmp_path: Path) -> None:
    (tmp_path / "beside_the_user.py").write_text("answer = 42")
    (tmp_path / "own.py").write_text("from beside_the_user import answer\ndef f(): return answer")
    assert Reference(str(tmp_path / "own.py"), "f").load()() == 42


def test_module_of_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "module_of_the_user.py").write_text("def f(): return 7")
    monkeypatch.chdir(tmp_path)
    assert Reference("module_of_the_user", "f").load()() == 7


def test_errors_are_one_line(tmp_path: Path) -> None:
    path = tmp_path / "own.py"
    with pytest.raises(UsageError) as missing:
        load_module(str(path))
    assert str(missing.value) == f"{path}: no such file"
    path.write_text("f = 3\n")
    with pytest.raises(UsageError) as no_function:
        Reference(str(path), "f").load()
    assert str(no_function.value) == f"{path}: has no function 'f'"
    path.write_text("x = 1\ny = x / 0\n")
    with pytest.raises(PluginError) as broken:
        load_module(str(path))
    assert str(broken.value) == f"{path}, line 2: ZeroDivisionError: division by zero"
    with pytest.raises(UsageError) as absent:
        load_module("no_such_module_here")
    assert str(absent.value) == (
        "no_such_module_here: cannot be imported: No module named 'no_such_module_here'"
    )
