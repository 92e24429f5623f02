"""The four steps through the command line, on a small .onnx network."""

from __future__ import annotations

import json

import numpy as np
import onnx
import onnxruntime
import pytest

from prunus.testing.command_line import refused

NET = ("--model", "net.onnx", "--workspace", "ws", "--data", "test.npz")


def test_four_steps(files, prunus):
    pytest.importorskip("torch")
    before = (files / "net.onnx").read_bytes()
    curves = prunus("ana", *NET)
    assert [curve["group"] for curve in curves["curves"]] == ["conv1", "conv2"]
    pruned = prunus("prune", *NET, "--rate", "0.5")
    assert pruned["facts"]["rate"] == pytest.approx(0.5, rel=0.01)
    tuned = prunus(
        "finetune", "--workspace", "ws", "--data", "test.npz", "--train-data", "train.npz",
        "--distill", "--iterations", "30", "--learning-rate", "0.003",
    )  # fmt: skip
    assert [stage["name"] for stage in tuned["stages"]] == ["original", "pruned", "finetuned"]
    final = prunus("transform", "--workspace", "ws", "--output", "small", "--data", "test.npz")
    assert final["facts"]["proof"]["error"] <= 1e-5
    original, masked, last = final["stages"]
    assert last["macs"] == masked["macs"] == pruned["stages"][-1]["macs"] < original["macs"]
    assert last["params"] == masked["params"] == pruned["stages"][-1]["params"]
    assert last["bytes"] < masked["bytes"]
    assert last["metric"]["value"] == pytest.approx(tuned["stages"][-1]["metric"]["value"])
    session = onnxruntime.InferenceSession(files / "small/net.onnx")
    assert session.run(None, {"data": np.zeros((2, 1, 12, 12), np.float32)})[0].shape == (2, 4)
    assert (files / "net.onnx").read_bytes() == before


def test_rounds_grow_from_the_original(files, prunus):
    prunus("ana", *NET)
    prunus("prune", *NET, "--rate", "0.3")
    state = json.loads((files / "ws/state.json").read_text())
    again = prunus(
        "prune", "--model", f"ws/{state['pruned']['model']}", "--workspace", "ws", "--data", "test.npz",
        "--rate", "0.6",
    )  # fmt: skip
    assert again["facts"]["rate"] == pytest.approx(0.6, rel=0.01)


def test_a_round_that_changes_nothing_says_so(files, prunus):
    first = prunus("prune", *NET, "--rate", "0.5")
    state = json.loads((files / "ws/state.json").read_text())
    second = prunus(
        "prune", "--model", f"ws/{state['pruned']['model']}", "--workspace", "ws", "--data", "test.npz",
        "--rate", "0.5",
    )  # fmt: skip
    assert (
        "this round changes no structure: finetuning again would bring nothing new"
        in second["notes"]
    )
    assert second["stages"][-1]["macs"] == first["stages"][-1]["macs"]


def test_analysis_is_reused_and_refused_when_stale(files, prunus):
    first = prunus("ana", *NET)
    assert prunus("ana", *NET) == first
    model = onnx.load("net.onnx")
    weight = model.graph.initializer[0]
    changed = onnx.numpy_helper.to_array(weight) * 1.5
    weight.CopyFrom(onnx.numpy_helper.from_array(changed.astype(np.float32), weight.name))
    onnx.save(model, "net.onnx")
    code, message = refused("prune", *NET, "--rate", "0.5")
    assert code == 7
    assert message == (
        "error: ws/ana.json: measured on other weights; run 'prunus ana' again or remove it"
    )


def test_without_data_the_ratio_is_uniform(files, prunus):
    result = prunus("prune", "--model", "net.onnx", "--workspace", "ws", "--rate", "0.4")
    assert result["stages"][-1]["metric"] is None
    assert any("the same ratio is used in every group" in note for note in result["notes"])


def test_same_seed_same_result(files, prunus):
    def once(workspace):
        prunus(
            "prune", "--model", "net.onnx", "--workspace", workspace, "--rate", "0.4",
            "--criterion", "random", "--seed", "3",
        )  # fmt: skip
        return (files / workspace / "rate_0.4/net.onnx").read_bytes()

    assert once("a") == once("b")


def test_run_does_all_rounds(files, prunus):
    pytest.importorskip("torch")
    result = prunus(
        "run", *NET, "--rates", "0.3,0.6", "--train-data", "train.npz", "--iterations", "10",
        "--learning-rate", "0.003", "--output", "small",
    )  # fmt: skip
    names = [stage["name"] for stage in result["stages"]]
    assert names == [
        "original", "pruned 0.3", "finetuned 0.3", "pruned 0.6", "finetuned 0.6", "transformed"
    ]  # fmt: skip
    assert (files / "small/net.onnx").exists()


def test_run_searches_plans_with_training_samples_alone(files, prunus):
    pytest.importorskip("torch")
    found = prunus(
        "run", "--model", "net.onnx", "--workspace", "ws", "--rates", "0.4",
        "--train-data", "train.npz", "--distill", "--iterations", "2",
    )  # fmt: skip
    assert not any("the same ratio is used in every group" in note for note in found["notes"])
    assert found["stages"][-1]["macs"] < found["stages"][0]["macs"]


def test_an_analysis_is_chosen_by_name(files, prunus):
    exact = prunus("ana", *NET, "--samples", "20", "--analysis", "exact")
    swept = prunus("ana", *NET, "--samples", "20", "--analysis", "sweep")
    for one, other in zip(exact["curves"], swept["curves"], strict=True):
        for first, second in zip(one["points"], other["points"], strict=True):
            assert first["value"] == pytest.approx(second["value"], abs=0.051)  # one sample of 20
