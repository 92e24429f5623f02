"""What plugin authors test commands with catches a command that misbehaves."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import onnx_ir as ir
import pytest

from prunus.network import Network
from prunus.testing import command_line
from prunus.testing.command_line import contents, killed, refused, refused_on_full_disk

BASE = ("prune", "--model", "net.onnx", "--workspace", "ws", "--rate", "0.4")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_command_that_is_refused() -> None:
    assert refused("stat", "--model", "gone.onnx") == (
        3, "error: gone.onnx: no such file or directory; check --model",
    )  # fmt: skip


def _succeeds() -> int:
    return 0


def _prints() -> int:
    print("half a result")
    return 3


def _says_two_lines() -> int:
    print("note: this is none of them\nerror: no\nnext: try again", file=sys.stderr)
    return 3


def _writes() -> int:
    Path("left.txt").write_text("half")
    print("error: no", file=sys.stderr)
    return 3


@pytest.mark.parametrize(
    ("behaviour", "complaint"),
    [
        (_succeeds, "it succeeds"),
        (_prints, "it fails, but prints on stdout: half a result"),
        (_says_two_lines, "the error is not one line: "),
        (_writes, "it fails, but changes left.txt"),
    ],
)
def test_a_command_that_fails_badly(
    behaviour: Callable[[], int], complaint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command_line, "run", lambda _: behaviour())
    with pytest.raises(AssertionError, match=complaint):
        refused("stat")


def test_no_file_grows_beyond_the_room(lenet: Network, folder: Path) -> None:
    ir.save(lenet.model, "net.onnx")
    code, line = refused_on_full_disk(*BASE, room=4000)
    assert code == 1
    assert line.startswith("error: ")
    assert line.endswith("(File too large); nothing was changed")


def test_a_kill() -> None:
    assert killed("stat", "--model", "gone.onnx", when=lambda: True)
    assert not killed("stat", "--model", "gone.onnx", when=lambda: False)


def test_contents_are_of_a_folder(folder: Path) -> None:
    (folder / "one").mkdir()
    (folder / "one/a").write_bytes(b"x")
    Path("b").write_bytes(b"")
    assert contents() == {Path("one/a"): b"x", Path("b"): b""}
    assert contents(Path("one")) == {Path("one/a"): b"x"}
