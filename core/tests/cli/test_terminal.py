from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import onnx
import pytest
from rich.console import Console

from prunus.cli import run
from prunus.cli.tables import new_table
from prunus.cli.terminal import one_line, say
from prunus.printable import printable

RED = "\x1b[31m"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("größer × 2 …", "größer × 2 …"),
        (f"a{RED}b", "a\\x1b[31mb"),
        ("a\x9bb\x07", "a\\x9bb\\x07"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("half \ud800", "half \\ud800"),
        ("\U000e0041", "\\U000e0041"),
    ],
)
def test_nothing_steers_the_terminal(text, shown):
    assert printable(text) == shown
    assert one_line(text) == shown


def test_a_line_is_one_and_short():
    assert one_line("two\n  lines\tand\u2028more") == "two lines and more"
    said = one_line(f"net.cfg:3: {'x' * 70_000}: expected a number; give one")
    assert said == f"net.cfg:3: {'x' * 30}…{'x' * 49}: expected a number; give one"
    said = one_line(f"/{'deep/' * 500}net.onnx: {'some words ' * 900}: the end")
    assert len(said) == 300
    assert "deep/net.onnx: some words " in said
    assert said.endswith("words : the end")


@pytest.mark.parametrize("name", [f"{RED}conv", "[/bold]", "[red]conv", "two\nlines"])
def test_cells_are_text_as_it_is(name):
    out = io.StringIO()
    table = new_table(name)
    table.add_row(name)
    Console(file=out, force_terminal=True, width=80, color_system=None).print(table)
    head, cell = (line.strip() for line in out.getvalue().splitlines())
    assert cell == printable(name)
    assert printable(name) in head


@pytest.fixture
def steering(files):
    """net.onnx, whose first layer's name and output turn the terminal red."""
    model = onnx.load("net.onnx")
    model.graph.node[0].name = f"{RED}[bold]"
    onnx.save(model, "net.onnx")


@pytest.mark.parametrize("command", [["stat"], ["prune", "--rate", "0.3", "--workspace", "ws"]])
def test_layer_names_never_reach_the_terminal_raw(steering, capsys, command):
    assert run([*command, "--model", "net.onnx"]) == 0
    captured = capsys.readouterr()
    assert "\x1b" not in captured.out + captured.err
    assert "\\x1b[31m[bold]" in captured.out


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_any_encoding_shows_it(files, encoding):
    Path("größe.onnx").write_bytes(Path("net.onnx").read_bytes())
    environment = {"PYTHONIOENCODING": encoding, "PATH": ""}
    done = subprocess.run(
        [sys.executable, "-m", "prunus", "stat", "--model", "größe.onnx"],
        capture_output=True,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert b"8x10x10" in done.stdout.replace(b"\xd7", b"x")
    done = subprocess.run(
        [sys.executable, "-m", "prunus", "stat", "--model", "größer.onnx"],
        capture_output=True,
        env=environment,
        check=False,
    )
    assert done.returncode == 3
    assert b"no such file or directory; check --model" in done.stderr


def test_a_narrow_terminal_breaks_lines_between_words(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    text = "note: the written-files equal the masked network on four inputs of the evaluation"
    say(text)
    assert capsys.readouterr().out == f"{text}\n"  # no terminal: one line
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    say(text)
    assert capsys.readouterr().out == (
        "note: the written-files equal the masked\n  network on four inputs of the\n  evaluation\n"
    )
