"""The six lines of the public door on networks of every format: the same numbers as the commands."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

import prunus
from prunus.cli import run

MODELS = Path(os.environ.get("PRUNUS_SHARED", Path(__file__).parents[2] / "shared")) / "data/models"
RATE = 0.4
NETWORKS = {
    "caffe": ("caffe/lenet/lenet.prototxt", "caffe/lenet/lenet_iter_10000.caffemodel", {}),
    "darknet": (
        "darknet/yololite-trial3/tiny-yolov2-trial3.cfg",
        "darknet/yololite-trial3/tiny-yolov2-trial3.weights",
        {},
    ),
    "onnx": ("onnx/mtcnn/rnet.onnx", None, {}),
    "graph": (
        "tensorflow/lenet-mnist-tf1/lenet_graph.pbtxt",
        "tensorflow/lenet-mnist-tf1/lenet",
        {"input_nodes": "Placeholder", "input_node_shapes": "1,32,32,1"},
    ),
    "keras": ("tensorflow/cifar10_keras/cifar10_cnn.keras", None, {}),
}


QUICK = {"darknet": "uniform"}
"""Network -> allocation, where the default, a search, takes minutes."""


@pytest.mark.shared
@pytest.mark.parametrize("name", NETWORKS)
def test_six_lines_and_the_commands_agree(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    model, weights, options = NETWORKS[name]
    if not MODELS.is_dir():
        pytest.skip("the shared models are not there (PRUNUS_SHARED)")
    if name in ("graph", "keras"):
        pytest.importorskip("tensorflow", reason="TensorFlow is not installed")
    files = (MODELS / model, None if weights is None else MODELS / weights)
    network = prunus.load(_live(name, files[0]), files[1], options=options)
    rng = np.random.default_rng(0)
    shape = [int(size) for size in network.model.graph.inputs[0].shape[1:]]
    samples = rng.standard_normal((16, *shape)).astype(np.float32)
    np.savez("samples.npz", x=samples)

    chosen = {"allocation": QUICK[name]} if name in QUICK else {}
    plan = prunus.plan(network, rate=RATE, data=samples, **chosen)
    masked = prunus.prune(network, plan, data=samples)
    small = prunus.compact(masked)
    small.save("smaller")

    named = [f"--model={files[0]}"]
    named += [] if files[1] is None else [f"--weights={files[1]}"]
    named += [f"--option={key}={value}" for key, value in options.items()]
    told = _json(capsys, "stat", *named)
    assert (told["macs"], told["params"]) == (
        prunus.stat(network).macs, prunus.stat(network).params
    )  # fmt: skip
    steps = ["--workspace=ws", "--data=samples.npz", "--metric=fidelity"]
    steps += ["--train-data=samples.npz", *(f"--{key}={value}" for key, value in chosen.items())]
    pruned = _json(capsys, "prune", *named, *steps, f"--rate={RATE}")
    stored = prunus.Plan.from_json(json.loads(next(Path("ws").glob("*/plan.json")).read_text()))
    assert stored == plan
    assert pruned["facts"]["rate"] == pytest.approx(plan.rate)
    value = pruned["stages"][-1]["metric"]["value"]
    assert value == pytest.approx(
        prunus.evaluate(masked, samples, metric="fidelity").value, abs=1e-5
    )
    assert pruned["stages"][-1]["params"] == prunus.stat(small.network).params


def _live(name, path):
    """A Keras model in memory; a path for all others."""
    if name != "keras":
        return path
    import keras

    return keras.models.load_model(path, compile=False)


def _json(capsys, *arguments):
    code = run([*arguments, "--json"])
    captured = capsys.readouterr()
    assert code == 0, captured.err
    return json.loads(captured.out)
