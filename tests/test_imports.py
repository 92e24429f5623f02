"""Starting is cheap: no command line help and no plugin module imports a framework."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("torch", "tensorflow", "keras", "onnxruntime", "lmdb", "h5py", "PIL")


def imported(code: str) -> list[str]:
    """Heavy modules that a piece of code loads."""
    report = f"{code}\nimport sys\nprint([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", report], capture_output=True, text=True, check=True
    )
    found: list[str] = eval(done.stdout.splitlines()[-1])
    return found


def test_help_imports_no_framework():
    assert imported("from prunus.cli import run\nrun(['--help'])") == []


@pytest.mark.parametrize("name", ["caffe", "darknet", "torch", "tensorflow"])
def test_plugin_modules_are_light(name):
    pytest.importorskip(f"prunus_{name}")
    loaded = imported(f"import prunus_{name}.plugin")
    assert [module for module in loaded if module != "onnxruntime"] == []
