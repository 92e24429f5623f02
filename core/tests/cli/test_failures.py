from __future__ import annotations

import struct
import zipfile
import zlib
from pathlib import Path

import pytest
from google.protobuf.message import DecodeError
from onnx_ir.serde import SerdeError

from prunus import cli
from prunus.cli.failures import told
from prunus.testing.command_line import refused

MODEL = ["stat", "--model", "net.onnx"]


@pytest.mark.parametrize(
    ("arguments", "subject"),
    [
        (MODEL, "net.onnx"),
        (["stat", "--model=net.onnx"], "net.onnx"),
        (["prune", "--workspace", "ws", "--config", "c.toml"], "c.toml"),
        (["prune", "--workspace", "ws"], "ws"),
        (["stat", "--model"], "prunus stat"),
        ([], "prunus"),
    ],
)
def test_too_little_memory(arguments, subject):
    assert told(MemoryError(), arguments) == (
        f"error: {subject}: not enough memory for this step; give fewer --samples, close other "
        "programs, or use a machine with more memory",
        1,
    )


@pytest.mark.parametrize(
    "error",
    [
        RecursionError("x"),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "x"),
        EOFError("x"),
        zlib.error("x"),
        zipfile.BadZipFile("x"),
        struct.error("x"),
        DecodeError("x"),
        SerdeError("x"),
    ],
)
def test_damage_that_a_decoder_found_is_no_defect_of_prunus(error):
    assert told(error, MODEL) == (
        "error: net.onnx: it or a file it names is damaged or nested too deeply "
        f"({type(error).__name__}: {error}); use a sound copy",
        3,
    )


def test_a_path_with_a_nul_character():
    assert told(ValueError("embedded null byte"), MODEL) == (
        "error: net.onnx: it names a path with a NUL character in it; check the paths in it",
        3,
    )


def test_an_error_of_the_system_without_a_name():
    assert told(OSError("heap is damaged"), MODEL) == ("error: net.onnx: heap is damaged", 1)


ENDS = """
import sys

def score(predict):
    sys.exit(0)
"""


@pytest.fixture
def ends(files, monkeypatch):
    monkeypatch.syspath_prepend(files)
    Path("ends_in_score.py").write_text(ENDS)
    Path("ends_at_once.py").write_text("raise SystemExit(0)\n")


def test_a_metric_that_exits_is_an_error(ends):
    """An exploit: exit code 0, and nothing was measured."""
    start = ["eval", "--model", "net.onnx", "--metric"]
    assert refused(*start, "ends_in_score:score") == (
        2, "error: metric ends_in_score:score failed: SystemExit: 0",
    )  # fmt: skip
    assert refused(*start, "ends_at_once:score") == (
        2,
        "error: --metric ends_at_once:score: cannot import 'ends_at_once' (SystemExit: 0)",
    )


def test_code_that_exits_anywhere_is_an_error_that_names_it(files, monkeypatch, capsys):
    def exits(**_):
        raise SystemExit(0)

    monkeypatch.setattr(cli.cli, "main", exits)
    assert cli.run(MODEL) == 5
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert said.endswith(
        ": called exit(0) before there was a result; let it return or raise an error\n"
    )
    assert "test_failures.py, line " in said
