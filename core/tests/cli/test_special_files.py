from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from prunus.errors import UsageError
from prunus.testing.command_line import refused

MEND = "not a file; copy its content to a file"


@pytest.fixture
def pipe(files):
    os.mkfifo("pipe")
    return files


@pytest.mark.parametrize("option", ["--model", "--weights", "--data", "--config"])
def test_a_pipe_is_refused_not_waited_for(pipe, option):
    words = ["--model", "net.onnx", option, "pipe"]
    assert refused("eval", *words) == (2, f"error: pipe: is a pipe, {MEND}")


def test_a_pipe_that_a_file_or_a_specification_names(pipe):
    Path("list.txt").write_text("pipe 0\n")
    for words in (
        ["eval", "--data", "pipe:scale=2"],
        ["eval", "--data", "list.txt"],
        ["prune", "--workspace", "ws", "--rate", "0.3", "--train-data", "pipe:scale=2"],
    ):
        code, message = refused(*words, "--model", "net.onnx")
        assert code in (2, 4)
        assert "pipe" in message


@pytest.mark.parametrize("path", ["/dev/zero", "/dev/null"])
def test_a_device(files, path):
    assert refused("stat", "--model", path) == (2, f"error: {path}: is a device, {MEND}")


def test_a_socket(files):
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("sock")
        assert refused("stat", "--model", "sock") == (2, f"error: sock: is a socket, {MEND}")


def test_a_result_does_not_replace_a_pipe(pipe):
    code, message = refused("export", "--model", "net.onnx", "--output", "pipe")
    assert (code, message) == (
        1,
        "error: pipe: is a pipe or a device, no file; nothing was changed",
    )
    assert Path("pipe").is_fifo()


def test_opening_a_pipe_anywhere(pipe):
    with pytest.raises(UsageError, match="is a pipe"):
        Path("pipe").read_bytes()
