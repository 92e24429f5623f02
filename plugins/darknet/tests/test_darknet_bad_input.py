"""DESIGN section 11 through the command line: one line, an exit code, nothing lost."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from prunus.cli import run
from prunus.testing.command_line import contents, killed, refused, refused_on_full_disk
from prunus_darknet.cfg import read_cfg
from prunus_darknet.testing.random_weights import write_random_weights

NET = "[net]\nbatch=8\nwidth=16\nheight=16\nchannels=3\n"
CONV = "[convolutional]\nbatch_normalize=1\nfilters=16\nsize=3\nstride=2\npad=1\nactivation=leaky\n"
LAST = "[convolutional]\nfilters=4\nsize=1\nstride=1\nactivation=linear\n[avgpool]\n[softmax]\n"
BASE = ("prune", "--model", "net.cfg", "--weights", "net.weights", "--workspace", "ws")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """net.cfg and net.weights in the working directory."""
    monkeypatch.chdir(tmp_path)
    _write(CONV + CONV + LAST)
    return tmp_path


def _write(layers: str, name: str = "net") -> None:
    Path(f"{name}.cfg").write_text(NET + layers)
    write_random_weights(read_cfg(Path(f"{name}.cfg")), Path(f"{name}.weights"), 0)


def test_cut_weights() -> None:
    weights = Path("net.weights")
    weights.write_bytes(weights.read_bytes()[:-300])
    assert refused(*BASE, "--rate", "0.4") == (
        3,
        "error: net.weights: too short for net.cfg: ends in layer 1:convolutional after 2297 of "
        "2304 values of its weight; the cfg needs 11748 bytes, the file has 11448; give the cfg "
        "these weights were trained with",
    )


def test_weights_that_are_too_long() -> None:
    with Path("net.weights").open("ab") as stream:
        stream.write(bytes(8))
    assert refused(*BASE, "--rate", "0.4") == (
        3,
        "error: net.weights: too long for net.cfg: 8 bytes are left after layer 2:convolutional; "
        "the cfg needs 11748 bytes, the file has 11756; give the cfg these weights were trained "
        "with",
    )


def test_weights_of_another_network() -> None:
    _write(CONV.replace("16", "24") + CONV + LAST, "wide")
    code, line = refused(*BASE, "--weights", "wide.weights", "--rate", "0.4")
    assert code == 3
    assert line.startswith("error: wide.weights: too long for net.cfg: ")
    assert "(variances first look wrong in layer 0:convolutional)" in line


def test_missing_files() -> None:
    assert refused(*BASE, "--weights", "gone.weights", "--rate", "0.4") == (
        3, "error: gone.weights: no such file; check --weights",
    )  # fmt: skip
    assert refused(*BASE, "--model", "gone.cfg", "--rate", "0.4") == (
        3, "error: gone.cfg: no such file or directory; check --model",
    )  # fmt: skip
    assert refused(*BASE, "--data", "gone.data", "--rate", "0.4") == (
        4, "error: gone.data: cannot be read (No such file or directory)",
    )  # fmt: skip


def test_broken_text() -> None:
    cfg = Path("net.cfg")
    cfg.write_text(cfg.read_text().replace("stride=2", "stride", 1))
    assert refused(*BASE, "--rate", "0.4") == (
        3, "error: net.cfg:10: expected key=value, [section] or a comment: 'stride'",
    )  # fmt: skip


def test_unknown_layers_are_barriers(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cfg = Path("net.cfg")
    cfg.write_text(cfg.read_text().replace("[avgpool]", "[foo]\n[avgpool]"))
    assert run(["stat", "--model", "net.cfg", "--weights", "net.weights"]) == 0
    said = capsys.readouterr()
    assert "feeds opaque layer 3 of type 'foo'" in said.out
    assert run([*BASE, "--rate", "0.3"]) == 0
    assert "[foo]\n" in next(folder.glob("ws/rate_*/net-prune.cfg")).read_text()


def test_weights_that_are_no_numbers() -> None:
    values = np.fromfile("net.weights", np.float32)
    values[-1] = np.nan
    values.tofile("net.weights")
    assert refused(*BASE, "--rate", "0.4") == (
        3,
        "error: net.weights: layer 2:convolutional: weight holds NaN or infinite values, first at "
        "position 63; take an earlier snapshot",
    )


@pytest.mark.parametrize(
    ("shape", "line"),
    [
        ((4, 3, 9, 9), "samples of shape (3, 9, 9) do not fit input 'data' of shape (3, 16, 16)"),
        ((0, 3, 16, 16), "no samples"),
    ],
)
def test_samples_that_do_not_fit(shape: tuple[int, ...], line: str) -> None:
    np.savez("d.npz", x=np.zeros(shape, np.float32), y=np.zeros(shape[0], np.int64))
    assert refused(*BASE, "--rate", "0.4", "--data", "d.npz") == (4, f"error: d.npz: {line}")


def test_a_full_disk_leaves_what_was_there() -> None:
    assert run([*BASE, "--rate", "0.4"]) == 0
    again = (*BASE, "--rate", "0.4", "--criterion", "random")
    assert refused_on_full_disk(*again, room=8000) == (
        3,
        "error: ws/rate_0.4/weights.prune: cannot write the weights file (File too large)",
    )


@pytest.mark.parametrize("seed", range(3))
def test_a_killed_transform_leaves_whole_files(seed: int) -> None:
    assert run([*BASE, "--rate", "0.4"]) == 0
    command = ("transform", "--workspace", "ws", "--output", "out")
    assert run(list(command)) == 0
    out = Path("out")
    whole = contents(out)
    assert run([*BASE, "--rate", "0.6"]) == 0
    delay = random.Random(seed).uniform(0, 0.3)
    killed(*command, when=lambda: any(out.glob(".staged-*")), delay=delay)
    model, weights = out / "model-transform.cfg", out / "model-transform.weights"
    assert whole.keys() == {model, weights}
    assert run(["stat", "--model", str(model), "--weights", str(weights)]) == 0
    assert run(list(command)) == 0
    assert contents(out)[weights] != whole[weights]
