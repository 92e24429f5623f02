"""Files that would run code, or hold something else than a network, are refused."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest
import torch
from torch import nn

import prunus
from prunus.plugin import ModelError, UsageError
from prunus_torch.testing.small import PICTURES, Small


class Runs:
    """Unpickling it makes a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> object:
        return os.mkdir, (str(self.path),)


def test_a_pickle_is_not_run(tmp_path: Path) -> None:
    torch.save({"state_dict": Runs(tmp_path / "made")}, tmp_path / "net.pt")
    with pytest.raises(ModelError) as caught:
        prunus.load(tmp_path / "net.pt")
    assert str(caught.value) == (
        f"{tmp_path / 'net.pt'}: holds more than tensors, and to read it runs code of the file; "
        "save module.state_dict(), or give --option unsafe=yes if you trust it"
    )
    assert not (tmp_path / "made").exists()


def test_a_pickle_inside_a_program_is_not_run(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.pt2", tmp_path / "bad.pt2"
    torch.export.save(torch.export.export(Small().eval(), (PICTURES,)), good)
    torch.save(Runs(tmp_path / "made"), tmp_path / "evil.pt")
    with zipfile.ZipFile(good) as old, zipfile.ZipFile(bad, "w") as new:
        for name in old.namelist():
            evil = name.endswith("sample_inputs/model.pt")
            new.writestr(name, (tmp_path / "evil.pt").read_bytes() if evil else old.read(name))
    with pytest.raises(ModelError, match="torch cannot read it"):
        prunus.load(bad)
    assert not (tmp_path / "made").exists()


def test_a_module_that_was_pickled_whole_needs_the_users_word(tmp_path: Path) -> None:
    pytest.importorskip("onnxscript", reason="onnxscript is not installed (prunus-torch[modules])")
    torch.save(Small(), tmp_path / "net.pth")
    with pytest.raises(ModelError, match="to read it runs code of the file"):
        prunus.load(tmp_path / "net.pth")
    network = prunus.load(tmp_path / "net.pth", options={"unsafe": "yes", "input-shape": "1x3x6x6"})
    small = prunus.compact(prunus.prune(network, prunus.plan(network, rate=0.4)))
    written = small.save(tmp_path / "smaller")
    assert isinstance(torch.load(written.model, weights_only=False), nn.Module)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "a state dict has no structure; say what builds its module: --option "
             "module=FILE.py:function (it is run)"),
        ({"module": "prunus_torch.testing.small:Small"},
         "a checkpoint does not say its inputs; give their sizes: --option "
         "input-shape=1x3x224x224, several separated by ','"),
    ],
)  # fmt: skip
def test_what_a_checkpoint_needs_is_asked_for(
    options: dict[str, str], message: str, tmp_path: Path
) -> None:
    torch.save(Small().state_dict(), tmp_path / "net.pt")
    with pytest.raises(UsageError) as caught:
        prunus.load(tmp_path / "net.pt", options=options)
    assert str(caught.value) == f"{tmp_path / 'net.pt'}: {message}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("small", "module=small: write FILE.py:function or package.module:function"),
        ("math:pi2", "module=math:pi2: AttributeError: module 'math' has no attribute 'pi2'"),
        ("builtins:dict", "module=builtins:dict: gives a dict, not a torch.nn.Module"),
    ],
)
def test_a_factory_that_is_none(text: str, message: str, tmp_path: Path) -> None:
    torch.save(Small().state_dict(), tmp_path / "net.pt")
    with pytest.raises(UsageError) as caught:
        prunus.load(tmp_path / "net.pt", options={"module": text})
    assert str(caught.value) == message


def test_a_file_without_a_state_dict(tmp_path: Path) -> None:
    torch.save([1, 2], tmp_path / "net.pt")
    with pytest.raises(ModelError) as caught:
        prunus.load(tmp_path / "net.pt")
    assert str(caught.value) == (
        f"{tmp_path / 'net.pt'}: holds no state dict, by itself or as state_dict, "
        "model_state_dict, model, model_state, net; save module.state_dict()"
    )
