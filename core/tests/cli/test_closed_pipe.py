"""A reader that leaves early, as ``head`` does, ends a command quietly."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from prunus import cli
from prunus.cli import stat

MAIN = [sys.executable, "-c", "from prunus.cli import main; main()"]


def unread(words, **streams):
    """Exit code and stderr of a command whose reader has closed the pipe."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as pipe:
        found = subprocess.run(
            [*MAIN, *words], stdout=pipe, stderr=streams.get("stderr", subprocess.PIPE), check=False
        )
    return found.returncode, found.stderr


@pytest.mark.parametrize(
    "words",
    [
        ["stat", "--model", "net.onnx"],
        ["stat", "--model", "net.onnx", "--json"],
        ["stat", "--model", "net.onnx", "--verbose"],
        ["plugins"],
        ["methods"],
        ["--help"],
    ],
    ids=" ".join,
)
def test_nobody_reads_the_result(files, words):
    assert unread(words) == (141, b"")


def test_nobody_reads_results_and_errors(files):
    assert unread(["stat", "--model", "net.onnx"], stderr=subprocess.STDOUT) == (141, None)
    assert unread(["stat", "--model", "gone.onnx"], stderr=subprocess.STDOUT) == (141, None)


def test_a_broken_pipe_of_something_else_is_told(files, capfd, monkeypatch):
    def broken(*_, **__):
        raise BrokenPipeError(32, "Broken pipe")

    monkeypatch.setattr(stat.command, "callback", broken)
    assert cli.run(["stat", "--model", "net.onnx"]) == 1
    assert capfd.readouterr().err == "error: net.onnx: Broken pipe\n"
