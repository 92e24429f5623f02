"""Exploits: Python that a received file names does not run without the user's word."""

from __future__ import annotations

import sys
from pathlib import Path

import onnx_ir as ir
import pytest

from prunus.cli import run
from prunus.descriptors import Format
from prunus.errors import UsageError
from prunus.settings import Settings
from prunus.steps.workspace import Workspace
from prunus.testing.command_line import refused
from prunus.trust import check_code

EXPLOIT = """
from pathlib import Path

Path("ran").touch()

def score(predict):
    import numpy as np

    return float(predict(np.ones((8, 1, 12, 12), np.float32)).mean())
"""


@pytest.fixture
def here(tmp_path, monkeypatch, lenet):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "exploit", raising=False)
    Path("exploit.py").write_text(EXPLOIT)
    Path("prunus.toml").write_text(
        'model = "net.onnx"\nworkspace = "ws"\nmetric = "exploit:score"\n'
    )
    ir.save(lenet.model, "net.onnx")
    return tmp_path


@pytest.mark.parametrize(
    "command",
    [
        ["stat"],
        ["eval"],
        ["export", "--output", "out.onnx"],
        ["ana"],
        ["prune", "--rate", "0.3"],
        ["finetune"],
        ["transform"],
        ["run", "--rates", "0.3"],
    ],
    ids=lambda words: words[0],
)
def test_a_metric_of_a_received_toml(here, command):
    if command[0] in ("finetune", "transform"):
        command += ["--model", "net.onnx"]
    assert refused(*command, "--config", "prunus.toml") == (
        2,
        "error: prunus.toml: metric = 'exploit:score' runs Python, and only a file says so; "
        "if you trust it, give --allow-code or --metric exploit:score",
    )
    assert not Path("ran").exists()


@pytest.mark.parametrize("word", [["--allow-code"], ["--metric", "exploit:score"]])
def test_the_users_word(here, word):
    assert run(["prune", "--config", "prunus.toml", "--rate", "0.3", *word]) == 0
    assert Path("ran").exists()


@pytest.mark.parametrize("key", ["allow_code = true", "origins = {}"])
def test_a_file_cannot_give_the_users_word(here, key):
    path = Path("prunus.toml")
    path.write_text(f"{key}\n{path.read_text()}")
    code, message = refused("stat", "--config", "prunus.toml")
    assert code == 2
    assert message.startswith(f"error: prunus.toml: unknown key '{key.split()[0]}'; known: ")


FORMAT = Format("own", "", lambda path: True, names_code=lambda name, value: name == "classes")


def test_an_option_out_of_a_received_workspace(tmp_path):
    workspace = Workspace(tmp_path)
    workspace.update(options={"classes": "exploit.py", "shape": "1x3"})
    found = workspace.with_options(Settings())
    with pytest.raises(UsageError) as caught:
        check_code(found, FORMAT)
    assert str(caught.value) == (
        f"{tmp_path / 'state.json'}: options.classes = 'exploit.py' runs Python, and only a file "
        "says so; if you trust it, give --allow-code or --option classes=exploit.py"
    )
    check_code(Settings(allow_code=True, options=found.options, origins=found.origins), FORMAT)


def test_an_option_said_again_on_the_command_line(tmp_path):
    workspace = Workspace(tmp_path)
    workspace.update(options={"classes": "exploit.py"})
    check_code(workspace.with_options(Settings(options={"classes": "mine.py"})), FORMAT)


def test_data_out_of_a_received_workspace(tmp_path):
    named = Format("own", "", lambda path: True, names_code=lambda name, value: name == "data")
    workspace = Workspace(tmp_path)
    workspace.update(data="exploit:samples")
    with pytest.raises(UsageError) as caught:
        check_code(workspace.with_options(Settings()), named)
    assert str(caught.value) == (
        f"{tmp_path / 'state.json'}: data = 'exploit:samples' runs Python, and only a file says "
        "so; if you trust it, give --allow-code or --data exploit:samples"
    )
    check_code(workspace.with_options(Settings(data="mine:samples")), named)
