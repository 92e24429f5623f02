"""Registration, lazy imports and detection."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from prunus_tensorflow import plugin
from prunus_tensorflow.detect import is_tensorflow, kind


@pytest.mark.parametrize(
    "module", ["prunus_tensorflow.plugin", "prunus_tensorflow.commands", "prunus.cli"]
)
def test_import_leaves_tensorflow_alone(module: str) -> None:
    code = f"import sys, {module}; print([m for m in ('tensorflow', 'keras') if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_help_leaves_tensorflow_alone() -> None:
    code = (
        "import sys; from prunus.cli import run; run(['--help']); "
        "run(['tensorflow', '--help']); sys.exit('tensorflow' in sys.modules)"
    )
    command = [sys.executable, "-c", code]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    assert "--input_graph" in found.stdout


def test_registers_a_format_a_trainer_and_an_engine() -> None:
    names = sorted((type(d).__name__, d.name) for d in plugin.prunus_register())
    assert names == [("Engine", "tflite"), ("Format", "tensorflow"), ("Trainer", "tensorflow")]


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.pbtxt", b"node {\n", "graph"),
        ("a.pb", b"\x0a\x05", "graph"),
        ("a.meta", b"\x0a\x05", "graph"),
        ("a.txt", b"# made by hand\nnode {\n", "graph"),
        ("a.txt", b"meta_info_def {\n", "graph"),
        ("a.prototxt", b'name: "net"\nlayer {\n', None),
        ("a.cfg", b"[net]\n", None),
        ("a.keras", b"PK", "keras"),
        ("a.h5", b"\x89HDF\r\n\x1a\n", "keras"),
        ("a.h5", b"no hdf5", None),
        ("saved_model.pb", b"", "savedmodel"),
    ],
)
def test_kind_of_a_file(tmp_path: Path, name: str, content: bytes, expected: str | None) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    assert kind(path) == expected
    assert is_tensorflow(path) is (expected is not None)


def test_kind_of_a_directory(tmp_path: Path) -> None:
    assert kind(tmp_path) is None
    (tmp_path / "saved_model.pb").write_bytes(b"")
    assert kind(tmp_path) == "savedmodel"


def test_kind_never_raises(tmp_path: Path) -> None:
    assert kind(tmp_path / "missing.pbtxt") == "graph"
    assert kind(tmp_path / "missing.prototxt") is None
