"""The conformance kit on every method, and their numbers on values worked out by hand."""

import json

import numpy as np
import pytest

pytest.importorskip("prunus_example", reason="pip install -e examples/methods first")

import prunus_example.sharing
from prunus_example.metric import WorstClass

from prunus.plugin import Host, run
from prunus.testing import (
    allocation_checks,
    analysis_checks,
    command_checks,
    criterion_checks,
    metric_checks,
    sharing_checks,
)
from prunus.testing.command_line import refused

CHECKS = [
    *criterion_checks("largest"),
    *allocation_checks("wide-first"),
    *metric_checks("worst-class"),
    *analysis_checks("masked"),
    *sharing_checks("medians", Host([(prunus_example.sharing, "prunus-example 0.1.0")])),
    *command_checks("widest"),
]


@pytest.mark.parametrize("check", CHECKS, ids=str)
def test_conformance(check):
    check()


def test_medians():
    values = np.float32([5, 1, 3, 9, 8, 7])
    found = prunus_example.sharing.prunus_share("medians", "w", values, 2)
    assert found.tolist() == [3, 8]


def test_the_worst_class():
    scores = np.array([[1, 0], [1, 0], [0, 1], [1, 0]], np.float32)
    seen = WorstClass().observe({"y": scores}, {}, np.array([0, 0, 1, 1]))
    assert WorstClass().result([seen[:3], seen[3:]]).value == 0.5


@pytest.fixture
def network(tmp_path, monkeypatch):
    """net.onnx and its samples in the working directory."""
    import onnx_ir

    from prunus.testing.nets import NETS

    monkeypatch.chdir(tmp_path)
    onnx_ir.save(NETS["lenet"](0), "net.onnx")
    draw = np.random.default_rng(0)
    np.savez(
        "data.npz", x=draw.normal(size=(20, 1, 16, 16)).astype("f4"), y=draw.integers(0, 10, 20)
    )


def test_the_command(network, capsys):
    assert run(["widest", "--model", "net.onnx", "--count", "2", "--json"]) == 0
    assert list(json.loads(capsys.readouterr().out).values()) == [20, 12]


def test_all_at_work_together(network, capsys):
    ours = ["--criterion", "largest", "--metric", "worst-class", "--data", "data.npz"]
    assert (
        run(["ana", "--model", "net.onnx", "--workspace", "w", "--analysis", "masked", *ours]) == 0
    )
    prune = ["prune", "--model", "net.onnx", "--workspace", "w", "--rate", "0.4"]
    assert run([*prune, "--allocation", "wide-first", *ours]) == 0
    assert "worst-class" in capsys.readouterr().out


def test_a_rate_that_the_allocation_does_not_reach(network):
    code, line = refused(
        *("prune", "--model", "net.onnx", "--workspace", "w", "--rate", "0.8"),
        *("--allocation", "wide-first"),
    )
    assert code == 6
    assert line.startswith("error: rate 0.8 is out of reach of 'wide-first'; the nearest is 0.")


def test_a_threshold_that_the_allocation_does_not_take(network):
    found = refused(
        *("prune", "--model", "net.onnx", "--workspace", "w", "--threshold", "0.1"),
        *("--allocation", "wide-first"),
    )
    assert found == (2, "error: allocation 'wide-first' needs --rate, not --threshold")
