from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from prunus import cli
from prunus.cli.demo import FILES, copy_files, steps
from prunus.descriptors import Trainer
from prunus.errors import UsageError
from prunus.hookspecs import hookimpl
from prunus.host import Host


class Trains:
    @hookimpl
    def prunus_register(self):
        return (Trainer("mine", ""),)


def test_files_come_into_a_new_directory(tmp_path):
    copy_files(tmp_path / "demo")
    assert sorted(path.name for path in (tmp_path / "demo").iterdir()) == sorted(FILES)
    with np.load(tmp_path / "demo/test.npz") as found:
        assert found["x"].shape == (600, 1, 8, 8)
        assert set(found["y"]) == set(range(10))
    with pytest.raises(UsageError) as caught:
        copy_files(tmp_path / "demo")
    assert str(caught.value) == (
        f"--output {tmp_path / 'demo'}: holds files already; name a new directory"
    )


def test_training_is_left_out_where_nobody_trains():
    commands = [words[0] for words in steps(Host([(Trains(), "mine 1.0")]), Path("d"))]
    assert commands == ["prune", "finetune", "transform", "report"]
    assert [words[0] for words in steps(Host([]), Path("d"))] == ["prune", "transform", "report"]


def test_the_core_alone_prunes_it(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PRUNUS_PLUGINS", "")
    assert cli.run(["demo"]) == 0
    out = capsys.readouterr().out
    whole, small = Path("prunus-demo/digits.onnx"), Path("prunus-demo/smaller/digits.onnx")
    assert small.stat().st_size < 0.7 * whole.stat().st_size
    assert next(line for line in out.splitlines() if line.startswith("$ ")) == (
        "$ prunus prune --model prunus-demo/digits.onnx --data prunus-demo/test.npz --train-data "
        "prunus-demo/train.npz --rate 60% --workspace prunus-demo/ws"
    )
    assert out.splitlines()[-1].startswith(f"The smaller network is {small}; ")
