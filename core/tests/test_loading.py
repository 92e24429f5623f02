from __future__ import annotations

from pathlib import Path

import onnx_ir as ir
import pytest

from prunus.descriptors import Format
from prunus.errors import ModelError, UsageError
from prunus.host import Broken, Host, start
from prunus.loading import format_of


class Greedy:
    """A format that takes every file."""

    def __init__(self, name):
        self.name = name

    def prunus_register(self):
        return (Format(self.name, "takes everything", lambda path: True),)


class Other(Greedy):
    """The same, as a plugin of its own."""


def test_the_one_format_of_a_file(lenet, tmp_path):
    ir.save(lenet.model, tmp_path / "net.onnx")
    assert format_of(start(), tmp_path / "net.onnx").name == "onnx"


def test_files_of_no_format_of_two_and_no_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelError) as caught:
        format_of(start(), Path("no.onnx"))
    assert str(caught.value) == "no.onnx: no such file or directory; check --model"
    Path("net.xyz").write_text("?")
    with pytest.raises(UsageError) as caught:
        format_of(Host([], (Broken("caffe", "prunus-caffe 1", "ImportError: x"),)), Path("net.xyz"))
    assert str(caught.value) == (
        "net.xyz: no installed format recognises this file; installed: ; others are packages of "
        "their own, prunus-NAME; plugin 'caffe' of prunus-caffe 1 failed to load: ImportError: x"
    )
    with pytest.raises(UsageError) as caught:
        format_of(Host([(Greedy("a"), "a"), (Other("b"), "b")]), Path("net.xyz"))
    assert str(caught.value) == (
        "net.xyz: claimed by a and b; rename the file so that one format recognises it"
    )
