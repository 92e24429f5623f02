"""DESIGN section 11 through the command line: one line, an exit code, nothing lost."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from prunus.cli import run
from prunus.network import Compact, Destination, Source
from prunus.testing.command_line import contents, killed, refused, refused_on_full_disk
from prunus_caffe.read import load
from prunus_caffe.testing.database import datum, write_lmdb
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
SIZE = ("--option", "input-shape=data:3x16x16")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """net.prototxt, net.caffemodel and db in the working directory."""
    monkeypatch.chdir(tmp_path)
    write_samples("db", [(3, 16, 16)] * 8)
    Path("net.prototxt").write_text(NET)
    network = load(Source(Path("net.prototxt"), None, {"weights": "random"}))
    destination = Destination(tmp_path, "masked", "net")
    write(network, Compact(network.model, {}), destination)
    Path("final.prototxt").unlink()
    return tmp_path


def write_samples(name: str, shapes: list[tuple[int, ...]]) -> None:
    numbered = enumerate(shapes)
    write_lmdb(Path(name), (datum(np.full(s, n, np.uint8), n % 4) for n, s in numbered))


def change(name: str, old: str, new: str) -> None:
    text = Path(name).read_text()
    assert old in text
    Path(name).write_text(text.replace(old, new, 1))


def test_missing_files() -> None:
    assert refused(*BASE, "--weights", "gone.caffemodel") == (
        3, "error: gone.caffemodel: no such file; check --weights",
    )  # fmt: skip
    assert refused(*BASE, "--model", "gone.prototxt") == (
        3, "error: gone.prototxt: no such file or directory; check --model",
    )  # fmt: skip
    change("net.prototxt", '"db"', '"gone_lmdb"')
    assert refused(*BASE, *SIZE, "--metric", "top-1") == (
        4, "error: gone_lmdb: no such database (layer 'data'); paths in a prototxt start from the "
        "directory Caffe runs in, change there or give --data",
    )  # fmt: skip


def test_a_missing_database_hinders_only_what_asks_for_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    change("net.prototxt", '"db"', '"gone_lmdb"')
    assert run([*BASE, *SIZE]) == 0
    assert "note: accuracy is not measured: gone_lmdb: no such database" in capsys.readouterr().err


def test_cut_weights() -> None:
    weights = Path("net.caffemodel")
    weights.write_bytes(weights.read_bytes()[:2000])
    assert refused(*BASE) == (
        3, "error: net.caffemodel: not a caffemodel, or truncated or corrupt (byte 1872: field 100 ends "
        "9199 bytes after its message); copy or train it again",
    )  # fmt: skip


def test_weights_of_another_network() -> None:
    change("net.prototxt", "num_output: 16", "num_output: 24")
    assert refused(*BASE) == (
        3, "error: net.caffemodel: layer 'conv1' blob 0 (weight) has shape (16, 3, 3, 3), "
        "net.prototxt:3 needs (24, 3, 3, 3); use the weights trained for this network",
    )  # fmt: skip


def test_weights_that_are_no_numbers() -> None:
    data = bytearray(Path("net.caffemodel").read_bytes())
    start = (
        load(Source(Path("net.prototxt"), Path("net.caffemodel")))
        .origin.weights.layer("ip")
        .blobs[0]
        .spans[0][0]
    )
    data[start : start + 4] = np.float32("nan").tobytes()
    Path("net.caffemodel").write_bytes(data)
    assert refused(*BASE) == (
        3, "error: net.caffemodel: layer 'ip' blob 0 (weight) holds 1 numbers that are NaN or "
        "infinite; use weights from before the training diverged",
    )  # fmt: skip


def test_broken_text() -> None:
    change("net.prototxt", "kernel_size: 3", "kernel_size 3")
    assert refused(*BASE) == (
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


def test_samples_that_do_not_fit() -> None:
    write_samples("small", [(3, 9, 9)] * 4)
    assert refused(*BASE, "--data", "small") == (
        4, "error: samples of shape (3, 9, 9) do not fit input 'data' of shape (3, 16, 16)",
    )  # fmt: skip
    write_samples("mixed", [(3, 16, 16), (3, 9, 9)])
    assert refused(*BASE, "--data", "mixed") == (
        4, "error: samples of different sizes [(3, 9, 9), (3, 16, 16)] feed 'data'; set crop_size or "
        "new_height and new_width in the data layer",
    )  # fmt: skip
    write_samples("empty", [])
    change("net.prototxt", '"db"', '"empty"')
    assert refused(*BASE, *SIZE, "--metric", "top-1") == (
        4, "error: empty: no samples (layer 'data')",
    )  # fmt: skip


def test_a_full_disk_leaves_what_was_there() -> None:
    assert run(list(BASE)) == 0
    assert refused_on_full_disk(*BASE, "--criterion", "random", room=8000) == (
        3,
        "error: ws/regular_rate_0.4/trial/transformed.caffemodel: cannot be written (File too large)",
    )


@pytest.mark.parametrize("seed", range(3))
def test_a_killed_transform_leaves_whole_files(seed: int) -> None:
    assert run(list(BASE)) == 0
    command = ("transform", "--workspace", "ws", "--output", "out")
    assert run(list(command)) == 0
    out = Path("out")
    whole = contents(out)
    assert run([*BASE, "--rate", "0.6"]) == 0
    delay = random.Random(seed).uniform(0, 0.3)
    killed(*command, when=lambda: any(out.glob(".staged-*")), delay=delay)
    model, weights = out / "final.prototxt", out / "transformed.caffemodel"
    assert whole.keys() == {model, weights}
    # between two renamings one file is new and one old, until the next step there completes it
    between = any(out.glob(".complete-*"))
    assert between or run(["stat", "--model", str(model), "--weights", str(weights)]) == 0
    assert run(list(command)) == 0
    assert run(["stat", "--model", str(model), "--weights", str(weights)]) == 0
    assert contents(out)[weights] != whole[weights]


SOLVER = 'net: "net.prototxt" base_lr: 0.0001 lr_policy: "fixed" momentum: 0.9 max_iter: 300 snapshot: 20\n'


@pytest.mark.caffe
def test_training_in_caffe_killed_and_resumed(folder: Path, caffe: str) -> None:
    Path("solver.prototxt").write_text(SOLVER)
    assert run(list(BASE)) == 0
    command = ("finetune", "--workspace", "ws", "--trainer", "caffe", "--solver", "solver.prototxt")
    tuned = folder / "ws/regular_rate_0.4/snapshots/_iter_300.caffemodel"
    assert run(list(command)) == 0
    whole = tuned.read_bytes()
    snapshots = folder / "ws/regular_rate_0.4/snapshots/caffe"

    def begun() -> bool:  # the snapshots of the run before go when the training starts
        last = snapshots / "compact_iter_300.json"
        return any(snapshots.glob("compact_iter_40.json")) and not last.exists()

    assert killed(*command, when=begun)
    assert tuned.read_bytes() == whole  # of the run before
    tuned.unlink()
    assert run([*command, "--resume"]) == 0
    assert tuned.read_bytes() == whole
