"""Trainer ``caffe``: real Caffe trains the compact network, resumable, its files as Caffe's."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import attrs
import numpy as np
import pytest

from prunus.compaction import compact
from prunus.errors import DataError, PluginError, StaleError, UsageError
from prunus.evaluation.data import ArrayDataset
from prunus.grouping import find_groups
from prunus.masking import mask
from prunus.network import Compact, Destination, Source, TaskNames
from prunus.selection import choose_units
from prunus.task import LearningRate
from prunus.testing import ExpectedFailure, trainer_checks
from prunus.training import TrainingJob
from prunus.training.scatter import scatter
from prunus_caffe.caffemodel import read_weights
from prunus_caffe.decent_p import translate_and_run
from prunus_caffe.read import load
from prunus_caffe.schema import message
from prunus_caffe.testing import caffe_python
from prunus_caffe.testing.database import datum, write_lmdb
from prunus_caffe.train import finetune
from prunus_caffe.write import write

NET = """
layer {{ name: "data" type: "Data" top: "data" top: "label" include {{ phase: TRAIN }}
  transform_param {{ {train} }} data_param {{ source: "{db}" batch_size: 16 backend: LMDB }} }}
layer {{ name: "data" type: "Data" top: "data" top: "label" include {{ phase: TEST }}
  transform_param {{ {test} }} data_param {{ source: "{db}" batch_size: 8 backend: LMDB }} }}
layer {{ name: "conv" type: "Convolution" bottom: "data" top: "conv" param {{ lr_mult: 1 }} param {{ lr_mult: 2 }}
  convolution_param {{ num_output: 8 kernel_size: 3 stride: 2 }} }}
{middle}
layer {{ name: "relu" type: "ReLU" bottom: "conv" top: "conv" }}
layer {{ name: "ip1" type: "InnerProduct" bottom: "conv" top: "ip1" inner_product_param {{ num_output: 16 }} }}
layer {{ name: "relu1" type: "ReLU" bottom: "ip1" top: "ip1" }}
{last}
layer {{ name: "ip2" type: "InnerProduct" bottom: "ip1" top: "ip2" inner_product_param {{ num_output: 5 }} }}
layer {{ name: "acc" type: "Accuracy" bottom: "ip2" bottom: "label" top: "top-1" include {{ phase: TEST }} }}
layer {{ name: "loss" type: "SoftmaxWithLoss" bottom: "ip2" bottom: "label" top: "loss" }}
"""
NORM = """
layer { name: "bn" type: "BatchNorm" bottom: "conv" top: "conv" batch_norm_param { use_global_stats: true } }
layer { name: "scale" type: "Scale" bottom: "conv" top: "conv" scale_param { bias_term: true } }
"""
DROP = 'layer { name: "drop" type: "Dropout" bottom: "ip1" top: "ip1" dropout_param { dropout_ratio: 0.2 } }'
SOLVER = """# the recipe
net: "net.prototxt" test_iter: 4 test_interval: 6
base_lr: 0.01 lr_policy: "step" gamma: 0.5 stepsize: 8 momentum: 0.9 weight_decay: 0.001
max_iter: 12 snapshot: 4 snapshot_prefix: "mine" random_seed: 7
"""
CENTRED = "scale: 0.0078125 mean_value: 128"
DRAWN = f"{CENTRED} crop_size: 14 mirror: true"


def write_files(folder: Path, text: str, solver: str = SOLVER, db: str | None = None) -> None:
    """64 samples of 5 classes: the class shifts the mean."""
    folder.mkdir(exist_ok=True)
    (folder / "net.prototxt").write_text(text.replace("@DB@", db or str(folder / "db")))
    (folder / "solver.prototxt").write_text(solver)
    if (folder / "db").exists():
        return
    draw = np.random.default_rng(0)
    samples = []
    for _ in range(64):
        label = int(draw.integers(0, 5))
        image = np.clip(draw.normal(128 + 30 * (label - 2), 40, (1, 16, 16)), 0, 255)
        samples.append(datum(image.astype(np.uint8), label))
    write_lmdb(folder / "db", samples)


def text(train: str = CENTRED, test: str = CENTRED, middle: str = "", last: str = "") -> str:
    return NET.format(train=train, test=test, middle=middle, last=last, db="@DB@")


EVERYTHING = text(DRAWN, f"{CENTRED} crop_size: 14", NORM, DROP)


def job(folder: Path, net: str = EVERYTHING, solver: str = SOLVER, **changes) -> TrainingJob:
    """Half of the channels gone, trained by the files in ``folder/files``."""
    write_files(folder / "files", net, solver)
    task = TaskNames(folder / "files/solver.prototxt")
    network = load(Source(folder / "files/net.prototxt", None, {"weights": "random"}, task))
    grouping = find_groups(network)
    draw = np.random.default_rng(0)
    keep = {g.name: choose_units(g, draw.random(g.size), g.size // 2) for g in grouping.groups}
    masked = mask(network, grouping, keep)
    task = network.task
    made = TrainingJob(
        masked, compact(masked, grouping, keep), task.recipe, task.training(),
        None, None, folder, False, 3, lambda _: None,
    )  # fmt: skip
    return attrs.evolve(made, **changes)


CHECKS = trainer_checks(
    "caffe",
    job,
    expected_failures={
        "distills-without-labels": ExpectedFailure(
            "Caffe runs one net at a time", "trainer caffe cannot distill"
        )
    },
)


@pytest.mark.caffe
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
def test_conformance(check, caffe):
    check()


@pytest.mark.caffe
def test_equals_masked_training_of_the_whole_net_in_caffe(tmp_path, caffe):
    one = job(tmp_path, text())
    full = one.network.with_weights(scatter(one.network, one.compact, finetune(one)))
    start = write(one.network, Compact(one.network.model, {}), Destination(tmp_path, "masked"))
    whole = SOLVER.replace("net.prototxt", str(tmp_path / "files/net.prototxt"))
    whole = whole.replace("random_seed: 7", "random_seed: 3").replace("snapshot: 4", "snapshot: 0")
    (tmp_path / "whole.prototxt").write_text(whole)
    script = Path(__file__).with_name("train_masked.py")
    result = tmp_path / "whole.caffemodel"
    arguments = [tmp_path / "whole.prototxt", start.weights, "12", result]
    subprocess.run([caffe, str(script), *map(str, arguments)], check=True, capture_output=True)
    wanted = load(Source(tmp_path / "files/net.prototxt", result)).weights()
    before = one.network.weights()
    for name, array in full.weights().items():
        if name in one.network.bindings:
            assert np.abs(array - wanted[name]).max() <= 1e-6, name
            assert np.abs(array - before[name]).max() > 1e-3, name
            assert not array[before[name] == 0].any() or "bias" in name, f"{name}: mask lost"


@pytest.mark.caffe
def test_ctrl_c_saves_and_resume_ends_with_the_same_numbers(tmp_path, caffe):
    def press(progress):
        if progress.iteration == 5:
            os.kill(os.getpid(), signal.SIGINT)

    whole = finetune(job(tmp_path / "a", workspace=made(tmp_path / "a")))
    other = made(tmp_path / "b")
    with pytest.raises(
        KeyboardInterrupt, match=r"^stopped after 5 iterations; --resume continues$"
    ):
        finetune(job(other, report=press))
    names = {path.name for path in (other / "caffe").iterdir()}
    assert {"compact_iter_5.caffemodel", "compact_iter_5.solverstate"} <= names
    seen = []
    resumed = finetune(job(other, report=seen.append, resume=True))
    assert [line.iteration for line in seen] == list(range(6, 13))
    for name, array in whole.items():
        assert np.array_equal(array, resumed[name]), name


def made(folder: Path) -> Path:
    folder.mkdir()
    return folder


@pytest.mark.caffe
def test_reports_the_solvers_rates_and_measures_at_its_interval(tmp_path, caffe):
    seen, measured = [], []

    def evaluate(weights):
        measured.append({name: array.copy() for name, array in weights.items()})
        return len(measured)

    weights = finetune(job(tmp_path, report=seen.append, evaluate=evaluate))
    assert [line.learning_rate for line in seen] == pytest.approx([0.01] * 8 + [0.005] * 4)
    assert list(dict.fromkeys(line.metric for line in seen)) == [None, 1, 2]
    assert all(np.array_equal(array, measured[-1][name]) for name, array in weights.items())
    assert not all(np.array_equal(array, measured[0][name]) for name, array in weights.items())


@pytest.mark.caffe
def test_overrides_reach_caffe(tmp_path, caffe):
    one = job(tmp_path)
    rate = attrs.evolve(one.recipe.learning_rate, base=0.002)
    recipe = attrs.evolve(one.recipe, learning_rate=rate, iterations=3, batch_size=5, snapshot=0)
    seen = []
    finetune(attrs.evolve(one, recipe=recipe, report=seen.append))
    assert [line.learning_rate for line in seen] == pytest.approx([0.002] * 3)
    net = (tmp_path / "caffe/net_finetune.prototxt").read_text()
    assert net.count("batch_size: 5") == 1  # of the TRAIN phase
    assert net.count("batch_size: 8") == 1
    solver = (tmp_path / "caffe/solver_finetune.prototxt").read_text()
    assert "# the recipe" in solver
    assert "max_iter: 3" in solver
    assert "test_iter" not in solver


@pytest.mark.caffe
def test_the_command_with_paths_relative_to_the_working_directory(
    tmp_path, caffe, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    blob = message("BlobProto")(num=1, channels=1, height=16, width=16, data=[100.0] * 256)
    Path("mean.binaryproto").write_bytes(blob.SerializeToString())
    relative = text(
        'mean_file: "mean.binaryproto" scale: 0.01', 'mean_file: "mean.binaryproto" scale: 0.01'
    )
    write_files(tmp_path, relative, db="db")
    one = load(Source(Path("net.prototxt"), None, {"weights": "random"}))
    weights = write(
        one, Compact(one.model, {}), Destination(made(tmp_path / "start"), "masked")
    ).weights
    config = f'workspace: "work" model: "net.prototxt" weights: "{weights}" solver: "solver.prototxt" rate: 0.4 acc_name: "top-1" test_iter: 8 pruner {{ method: REGULAR }}'
    Path("config.prototxt").write_text(config)
    assert translate_and_run(["prune", "-config", "config.prototxt"]) == 0
    command = ["finetune", "-config", "config.prototxt", "-trainer", "caffe"]
    assert translate_and_run(command) == 0
    snapshots = Path("work/regular_rate_0.4/snapshots")
    tuned = snapshots / "_iter_12.caffemodel"
    assert tuned.exists()
    small = read_weights(snapshots / "caffe/compact_iter_12.caffemodel")
    whole = read_weights(tuned)
    assert small.layer("ip1").blobs[0].count < whole.layer("ip1").blobs[0].count
    done = ["transform", "-model", "net.prototxt", "-weights", str(tuned)]
    assert translate_and_run(done) == 0, capsys.readouterr().err


@pytest.mark.caffe
def test_messages_of_caffe(tmp_path, caffe):
    # a GPU that is not there: the CPU is used; a rate that is too high: the first update says so
    wild = SOLVER.replace("base_lr: 0.01", "base_lr: 1e30")
    with pytest.raises(UsageError) as caught:
        finetune(job(made(tmp_path / "a"), solver=wild))
    assert str(caught.value) == (
        "training diverged at iteration 2: the loss is nan; lower the learning rate (now 1e+30, --learning-rate)"
    )
    broken = job(made(tmp_path / "b"))
    (tmp_path / "b/files/db").rename(tmp_path / "b/files/moved")
    without = attrs.evolve(broken.network.task, training=None)
    with pytest.raises(PluginError) as caught:
        finetune(attrs.evolve(broken, network=attrs.evolve(broken.network, task=without)))
    log = tmp_path / "b/caffe/caffe.log"
    assert str(caught.value).startswith("Caffe stopped (signal 6): Check failed: mdb_status == 0")
    assert str(caught.value).endswith(f"log: {log}")
    nothing = job(
        made(tmp_path / "c"),
        text().replace('type: "SoftmaxWithLoss"', 'type: "Silence"').replace('top: "loss"', ""),
    )
    with pytest.raises(UsageError) as caught:
        finetune(nothing)
    assert str(caught.value) == (
        f"{tmp_path}/c/caffe/net_finetune.prototxt: no loss layer in the TRAIN phase, so nothing would be trained"
    )


@pytest.mark.caffe
def test_snapshots_of_another_recipe_are_not_continued(tmp_path, caffe):
    finetune(job(tmp_path))
    with pytest.raises(StaleError) as caught:
        finetune(job(tmp_path, solver=SOLVER.replace("0.9", "0.8"), resume=True))
    assert str(caught.value) == (
        f"{tmp_path}/caffe/compact_iter_12.solverstate: the snapshot belongs to another network, "
        "solver, data set or seed; train without --resume"
    )


MEND = "name the Python of your Caffe with --caffe-python or PRUNUS_CAFFE_PYTHON, or use --trainer torch"


def no_database():
    raise DataError("no database; give --data")


def test_messages_before_caffe_is_asked(tmp_path, monkeypatch):
    monkeypatch.delenv("PRUNUS_CAFFE_PYTHON", raising=False)
    one = job(tmp_path)
    data = ArrayDataset("data", np.zeros((4, 1, 14, 14), np.float32), np.zeros(4, np.int64))
    assert refused(attrs.evolve(one, teacher=one.network)) == (
        "trainer caffe cannot distill: Caffe runs one net at a time; use --trainer torch with --distill"
    )
    assert refused(attrs.evolve(one, training=data)) == (
        "trainer caffe takes samples and labels from the data layer of the prototxt: leave --train-data out, or use --trainer torch"
    )
    gone = attrs.evolve(one.network, task=attrs.evolve(one.network.task, training=no_database))
    assert refused(attrs.evolve(one, network=gone, training=data)) == (
        "trainer caffe takes samples and labels from the data layer of the prototxt, not from "
        "--train-data: no database; mend the layer, or use --trainer torch"
    )
    assert refused(attrs.evolve(one, options={"caffe-python": "no-such-python"})) == (
        f"no-such-python: no such program; {MEND}"
    )
    assert refused(attrs.evolve(one, network=attrs.evolve(one.network, origin=None))) == (
        "trainer caffe trains networks read from Caffe files; use --trainer torch for others"
    )
    if subprocess.run([sys.executable, "-c", "import caffe"], capture_output=True).returncode:
        assert refused(one) == (
            f"{sys.executable} cannot import caffe (No module named 'caffe'); {MEND}"
        )


def test_a_python_layer_does_not_run_without_the_users_word(tmp_path, fake):
    """An exploit: Caffe imports the module that the prototxt names."""
    layer = (
        'layer { name: "evil" type: "Python" bottom: "conv" top: "evil" include { phase: TRAIN } '
        'python_param { module: "exploit" layer: "Exploit" } }'
    )
    one = job(tmp_path, text(middle=layer), options=fake)
    assert refused(one) == (
        f"{tmp_path}/files/net.prototxt: layer 'evil' makes Caffe run a Python module that this file "
        "names; if you trust it, give --allow-code, or use --trainer torch"
    )
    with pytest.raises(PluginError, match="Caffe stopped"):
        finetune(attrs.evolve(one, allow_code=True))


def refused(one: TrainingJob) -> str:
    with pytest.raises(UsageError) as caught:
        finetune(one)
    return str(caught.value)


FAKE = """#!/bin/sh
echo 'F1126 10:00:00.0  1 layer.cpp:66] Check failed: something is wrong' >&2
echo '*** Check failure stack trace: ***' >&2
exit 3
"""


@pytest.fixture
def fake(tmp_path):
    path = tmp_path / "fake-python"
    path.write_text(FAKE)
    path.chmod(0o755)
    return {"caffe-python": str(path)}


def test_a_crash_is_told_in_caffes_last_words(tmp_path, fake):
    with pytest.raises(PluginError) as caught:
        finetune(job(tmp_path, options=fake))
    assert str(caught.value) == (
        f"Caffe stopped (exit code 3): Check failed: something is wrong; log: {tmp_path}/caffe/caffe.log"
    )


def test_solver_and_data_layer_are_needed(tmp_path, fake):
    one = job(tmp_path, options=fake)
    origin = one.network.origin
    bare = attrs.evolve(origin, source=attrs.evolve(origin.source, task=TaskNames()))
    assert refused(attrs.evolve(one, network=attrs.evolve(one.network, origin=bare))) == (
        "trainer caffe trains with your own solver: give its file with --solver"
    )
    fed = (
        text()
        .replace('"Data"', '"MemoryData"')
        .replace(
            'data_param { source: "@DB@" batch_size: 16 backend: LMDB }',
            "memory_data_param { batch_size: 16 channels: 1 height: 16 width: 16 }",
        )
        .replace(
            'data_param { source: "@DB@" batch_size: 8 backend: LMDB }',
            "memory_data_param { batch_size: 8 channels: 1 height: 16 width: 16 }",
        )
    )
    write_files(tmp_path / "fed", fed)
    task = TaskNames(tmp_path / "fed/solver.prototxt")
    network = load(Source(tmp_path / "fed/net.prototxt", None, {"weights": "random"}, task))
    assert refused(attrs.evolve(one, network=network)) == (
        f"{tmp_path}/fed/net.prototxt: no data layer in the TRAIN phase for trainer caffe to read samples from; "
        "prune the train_val prototxt, or use --trainer torch"
    )


def test_learning_rate_policy_with_an_end_belongs_to_the_job(tmp_path, fake):
    """Only where the rate depends on it, another number of iterations is another training."""
    from prunus_caffe.training.files import write_files as written

    one = job(tmp_path)
    longer = attrs.evolve(one, recipe=attrs.evolve(one.recipe, iterations=99))
    texts = [
        written(each, one.network.origin, made_once(tmp_path / "caffe")).solver_text
        for each in (one, longer)
    ]
    assert texts[0] == texts[1]
    poly = attrs.evolve(one.recipe, learning_rate=LearningRate("poly", 0.01))
    texts = [
        written(
            attrs.evolve(one, recipe=attrs.evolve(poly, iterations=n)),
            one.network.origin,
            tmp_path / "caffe",
        ).solver_text
        for n in (12, 99)
    ]
    assert texts[0] != texts[1]


def made_once(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    return folder


@pytest.mark.caffe
def test_the_script_is_old_python(caffe):
    """Caffe lives in Python 2.7 and 3.5 too: no annotations, f-strings or keyword-only arguments."""
    import ast

    import prunus_caffe.training.child as child

    source = Path(child.__file__).read_text()
    ast.parse(source, feature_version=(3, 4))
    assert 'f"' not in source
    assert caffe_python() == caffe
