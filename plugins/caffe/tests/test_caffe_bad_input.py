"""DESIGN section 11 through the command line: one line, an exit code, nothing lost."""

from __future__ import annotations

import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import lmdb
import numpy as np
import pytest

from prunus.cli import run
from prunus.network import Compact, Destination, Source
from prunus_caffe.read import load
from prunus_caffe.schema import message
from prunus_caffe.write import write

NET = """layer { name: "data" type: "Data" top: "data" top: "label"
  data_param { source: "db" batch_size: 4 backend: LMDB } }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
  convolution_param { num_output: 16 kernel_size: 3 stride: 2 } }
layer { name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" }
layer { name: "conv2" type: "Convolution" bottom: "conv1" top: "conv2"
  convolution_param { num_output: 16 kernel_size: 3 } }
layer { name: "ip" type: "InnerProduct" bottom: "conv2" top: "ip" inner_product_param { num_output: 4 } }
layer { name: "acc" type: "Accuracy" bottom: "ip" bottom: "label" top: "top-1" include { phase: TEST } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" include { phase: TRAIN } }
"""
NAMES = ("--model", "net.prototxt", "--weights", "net.caffemodel", "--workspace", "ws")
BASE = ("prune", *NAMES, "--rate", "0.4")

Fails = Callable[..., tuple[int, str]]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """net.prototxt, net.caffemodel and db in the working directory."""
    monkeypatch.chdir(tmp_path)
    write_lmdb("db", [(3, 16, 16)] * 8)
    Path("net.prototxt").write_text(NET)
    network = load(Source(Path("net.prototxt"), None, {"weights": "random"}))
    destination = Destination(tmp_path, "masked", "net")
    write(network, Compact(network.model, {}), destination)
    Path("final.prototxt").unlink()
    return tmp_path


def write_lmdb(name: str, shapes: list[tuple[int, ...]]) -> None:
    with lmdb.open(name, map_size=1 << 20) as database, database.begin(write=True) as writer:
        for number, (channels, height, width) in enumerate(shapes):
            datum = message("Datum")(
                channels=channels, height=height, width=width, label=number % 4
            )
            datum.data = bytes([number] * (channels * height * width))
            writer.put(f"{number:05d}".encode(), datum.SerializeToString())


@pytest.fixture
def fails(folder: Path, capsys: pytest.CaptureFixture[str]) -> Fails:
    """A command that must fail: its exit code and its one line; it leaves nothing behind."""

    def call(*arguments: str) -> tuple[int, str]:
        before = files(folder)
        code = run(list(arguments))
        captured = capsys.readouterr()
        assert captured.out == ""
        assert files(folder) == before
        (line,) = (line for line in captured.err.splitlines() if not line.startswith("note: "))
        return code, line

    return call


def files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def change(name: str, old: str, new: str) -> None:
    text = Path(name).read_text()
    assert old in text
    Path(name).write_text(text.replace(old, new, 1))


def test_missing_files(fails: Fails) -> None:
    assert fails(*BASE, "--weights", "gone.caffemodel") == (
        3, "error: gone.caffemodel: no such file; check --weights",
    )  # fmt: skip
    assert fails(*BASE, "--model", "gone.prototxt") == (
        3, "error: gone.prototxt: no such file or directory; check --model",
    )  # fmt: skip
    change("net.prototxt", '"db"', '"gone_lmdb"')
    assert fails(*BASE, "--option", "input-shape=data:3x16x16") == (
        4, "error: gone_lmdb: no such database (layer 'data'); paths in a prototxt start from the "
        "directory Caffe runs in, change there or give --data",
    )  # fmt: skip


def test_cut_weights(fails: Fails) -> None:
    weights = Path("net.caffemodel")
    weights.write_bytes(weights.read_bytes()[:2000])
    assert fails(*BASE) == (
        3, "error: net.caffemodel: not a caffemodel, or truncated or corrupt (byte 1872: field 100 ends "
        "9199 bytes after its message); copy or train it again",
    )  # fmt: skip


def test_weights_of_another_network(fails: Fails) -> None:
    change("net.prototxt", "num_output: 16", "num_output: 24")
    assert fails(*BASE) == (
        3, "error: net.caffemodel: layer 'conv1' blob 0 (weight) has shape (16, 3, 3, 3), "
        "net.prototxt:3 needs (24, 3, 3, 3); use the weights trained for this network",
    )  # fmt: skip


def test_weights_that_are_no_numbers(fails: Fails) -> None:
    data = bytearray(Path("net.caffemodel").read_bytes())
    start = (
        load(Source(Path("net.prototxt"), Path("net.caffemodel")))
        .origin.weights.layer("ip")
        .blobs[0]
        .spans[0][0]
    )
    data[start : start + 4] = np.float32("nan").tobytes()
    Path("net.caffemodel").write_bytes(data)
    assert fails(*BASE) == (
        3, "error: net.caffemodel: layer 'ip' blob 0 (weight) holds 1 numbers that are NaN or "
        "infinite; use weights from before the training diverged",
    )  # fmt: skip


def test_broken_text(fails: Fails) -> None:
    change("net.prototxt", "kernel_size: 3", "kernel_size 3")
    assert fails(*BASE) == (
        3, "error: net.prototxt:4: expected ':' or '{' after 'kernel_size', found '3'",
    )  # fmt: skip


def test_unknown_layers_are_barriers(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    change("net.prototxt", '"ReLU"', '"Foo"')
    assert run(list(BASE)) == 0
    assert (
        "note: layer 'relu1' of type 'Foo' stays as it is (its type is not known): nothing that "
        "feeds it is pruned"
    ) in capsys.readouterr().err.splitlines()
    assert Path("ws/regular_rate_0.4/final.prototxt").read_text().count("num_output: 16") == 1


def test_samples_that_do_not_fit(fails: Fails) -> None:
    write_lmdb("small", [(3, 9, 9)] * 4)
    assert fails(*BASE, "--data", "small") == (
        4, "error: samples of shape (3, 9, 9) do not fit input 'data' of shape (3, 16, 16)",
    )  # fmt: skip
    write_lmdb("mixed", [(3, 16, 16), (3, 9, 9)])
    assert fails(*BASE, "--data", "mixed") == (
        4, "error: samples of different sizes [(3, 9, 9), (3, 16, 16)] feed 'data'; set crop_size or "
        "new_height and new_width in the data layer",
    )  # fmt: skip
    write_lmdb("empty", [])
    change("net.prototxt", '"db"', '"empty"')
    assert fails(*BASE, "--option", "input-shape=data:3x16x16") == (
        4, "error: empty: no samples (layer 'data')",
    )  # fmt: skip


def prunus(*arguments: str, limit: int | None = None) -> subprocess.Popen[str]:
    """The command line in a process of its own; no file may grow beyond the limit."""
    wanted = resource.RLIM_INFINITY if limit is None else limit
    code = (
        f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({wanted}, {wanted}));"
        "import runpy; runpy.run_module('prunus', run_name='__main__')"
    )
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL,
        text=True, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip


def test_a_full_disk_leaves_what_was_there(folder: Path) -> None:
    assert run(list(BASE)) == 0
    before = files(folder)
    process = prunus(*BASE, "--criterion", "random", limit=8000)
    said = process.communicate()[1].splitlines()
    assert process.returncode == 3
    (line,) = (line for line in said if not line.startswith("note: "))
    assert line.startswith("error: ws/regular_rate_0.4/.staged-")
    assert line.endswith("/sparse.caffemodel: cannot be written (File too large)")
    assert files(folder) == before


@pytest.mark.parametrize("seed", range(3))
def test_a_killed_transform_leaves_whole_files(folder: Path, seed: int) -> None:
    assert run(list(BASE)) == 0
    command = ("transform", "--workspace", "ws", "--output", "out")
    assert run(list(command)) == 0
    whole = files(folder / "out")
    assert run([*BASE, "--rate", "0.6"]) == 0
    process = prunus(*command)
    while not list(folder.glob("out/.staged-*")) and process.poll() is None:
        time.sleep(0.001)
    time.sleep(random.Random(seed).uniform(0, 0.3))
    process.send_signal(signal.SIGKILL)
    process.communicate()
    model, weights = folder / "out/final.prototxt", folder / "out/transformed.caffemodel"
    assert whole.keys() == {model, weights}
    assert run(["stat", "--model", str(model), "--weights", str(weights)]) == 0
    assert run(list(command)) == 0
    assert files(folder / "out")[weights] != whole[weights]


SOLVER = 'net: "net.prototxt" base_lr: 0.0001 lr_policy: "fixed" momentum: 0.9 max_iter: 300 snapshot: 20\n'


@pytest.mark.caffe
def test_training_in_caffe_killed_and_resumed(folder: Path, caffe: str) -> None:
    Path("solver.prototxt").write_text(SOLVER)
    assert run(list(BASE)) == 0
    command = ("finetune", "--workspace", "ws", "--trainer", "caffe", "--solver", "solver.prototxt")
    tuned = folder / "ws/regular_rate_0.4/snapshots/_iter_300.caffemodel"
    assert run(list(command)) == 0
    whole = tuned.read_bytes()
    process = prunus(*command)
    snapshots = folder / "ws/regular_rate_0.4/snapshots/caffe"
    while (
        not list(snapshots.glob("compact_iter_40.json"))
        or (snapshots / "compact_iter_300.json").exists()
    ):
        assert process.poll() is None
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert tuned.read_bytes() == whole  # of the run before
    tuned.unlink()
    assert run([*command, "--resume"]) == 0
    assert tuned.read_bytes() == whole
