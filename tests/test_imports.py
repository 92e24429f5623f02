"""Starting is cheap: the help, the lists and registering import no framework and no graph library."""

from __future__ import annotations

import subprocess
import sys

import pytest

from prunus.cli import COMMANDS

HEAVY = (
    *("torch", "tensorflow", "keras", "lmdb", "h5py", "PIL"),
    *("onnx_ir", "onnx", "onnxruntime", "google.protobuf", "scipy", "sympy"),
)


def imported(code: str) -> list[str]:
    """Heavy modules that a piece of code loads."""
    report = f"{code}\nimport sys\nprint([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", report], capture_output=True, text=True, check=True
    )
    found: list[str] = eval(done.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize("command", ["--help", "--version", "plugins", "methods"])
def test_commands_without_a_network_are_light(command):
    assert imported(f"from prunus.cli import run\nassert run([{command!r}]) == 0") == []


@pytest.mark.parametrize("command", list(COMMANDS))
def test_help_of_every_command_is_light(command):
    assert imported(f"from prunus.cli import run\nassert run([{command!r}, '--help']) == 0") == []


@pytest.mark.parametrize("name", ["caffe", "darknet", "torch", "tensorflow"])
def test_plugin_modules_are_light(name):
    pytest.importorskip(f"prunus_{name}")
    assert imported(f"import prunus_{name}.plugin as p\np.prunus_register()") == []
