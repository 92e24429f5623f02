"""``--metric module:function``: the user's own number drives the steps."""

from __future__ import annotations

import json
import sys

import numpy as np
import onnx_ir as ir
import pytest

from prunus.cli import run
from prunus.evaluation.user_metric import user_metric

METRIC = """
import numpy as np

samples = np.random.default_rng(0).standard_normal((40, 1, 12, 12)).astype(np.float32)
first = None

def distance(predict):
    global first
    outputs = predict(samples)
    first = outputs if first is None else first
    return float(np.abs(outputs - first).mean())

distance.lower_is_better = True

def broken(predict):
    raise RuntimeError("no such file")

def nothing(predict):
    return 1.0
"""


@pytest.fixture
def here(tmp_path, monkeypatch, lenet):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "own_metric.py").write_text(METRIC)
    ir.save(lenet.model, tmp_path / "net.onnx")
    monkeypatch.delitem(sys.modules, "own_metric", raising=False)
    return tmp_path


def test_steps_with_a_users_metric(here, capsys):
    common = [
        "--model",
        "net.onnx",
        "--workspace",
        "ws",
        "--metric",
        "own_metric:distance",
        "--json",
    ]
    assert run(["ana", *common, "--ratios", "0.25,0.5"]) == 0
    curves = json.loads(capsys.readouterr().out)
    assert curves["higher_is_better"] is False
    assert curves["baseline"]["value"] == 0
    assert all(point["value"] > 0 for curve in curves["curves"] for point in curve["points"])
    assert run(["prune", *common, "--rate", "0.4"]) == 0
    original, pruned = json.loads(capsys.readouterr().out)["stages"]
    assert original["metric"]["value"] == 0 < pruned["metric"]["value"]
    assert np.isfinite(pruned["metric"]["value"])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("own_metric:broken", "error: metric own_metric:broken failed: RuntimeError: no such file"),
        (
            "own_metric:nothing",
            "error: metric own_metric:nothing never calls the predictor it is given",
        ),
        (
            "own_metric:other",
            "error: --metric own_metric:other: module 'own_metric' has no function 'other'",
        ),
        (
            "no_module:f",
            "error: --metric no_module:f: cannot import 'no_module' "
            "(ModuleNotFoundError: No module named 'no_module')",
        ),
    ],
)
def test_what_can_go_wrong(here, capsys, name, message):
    assert run(["ana", "--model", "net.onnx", "--workspace", "ws", "--metric", name]) == 2
    assert capsys.readouterr().err.strip().splitlines()[-1] == message


def test_an_edited_metric_is_another_one(here):
    before = user_metric("own_metric:distance").digest()
    assert user_metric("own_metric:distance").digest() == before
    source = here / "own_metric.py"
    source.write_text(source.read_text() + "\n# edited\n")
    assert user_metric("own_metric:distance").digest() != before
