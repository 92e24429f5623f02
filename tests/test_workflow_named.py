"""Networks and options that the user names on the command line."""

from __future__ import annotations

import shutil

import pytest

from prunus.testing.command_line import refused

DATA = ("--data", "test.npz")
TRAIN = (*DATA, "--train-data", "train.npz", "--iterations", "5")


def test_a_masked_network_of_another_workspace(files, prunus):
    pytest.importorskip("torch")
    pruned = prunus("prune", "--model", "net.onnx", "--workspace", "there", "--rate", "0.5", *DATA)
    shutil.copy("there/rate_0.5/net.onnx", "mine.onnx")
    shutil.rmtree("there")
    own = ("--model", "mine.onnx", "--workspace", "here")
    assert refused("finetune", *own, *TRAIN, "--distill") == (
        2,
        "error: --distill learns from the original network, and here knows none of this structure; "
        "name its weights as baseline in prunus.toml",
    )
    assert refused("finetune", "--model", "net.onnx", "--workspace", "here", *TRAIN) == (
        6, "error: net.onnx: the weights hold no mask; run 'prunus prune' first",
    )  # fmt: skip
    tuned = prunus("finetune", *own, *TRAIN)
    assert tuned["files"] == [str(files / "here/given/snapshots/_iter_5/mine.onnx")]
    assert tuned["stages"][1]["metric"] == pruned["stages"][1]["metric"]
    (files / "prunus.toml").write_text('baseline = "net.onnx"\n')
    prunus("finetune", "--config", "prunus.toml", *own, *TRAIN, "--distill")
    final = prunus("transform", "--workspace", "here", "--output", "small.onnx", *DATA)
    assert final["stages"][-1]["macs"] == pruned["stages"][-1]["macs"]
    assert (files / "small.onnx").is_file()


def test_the_same_options_serve_every_step(files, prunus):
    pytest.importorskip("torch")
    net = ("--model", "net.onnx", "--workspace", "ws")
    pruned = prunus("prune", *net, *DATA, "--rate", "0.5")
    tuned = prunus("finetune", *net, *TRAIN)
    final = prunus("transform", *net, *DATA)
    assert final["stages"][1]["metric"] == tuned["stages"][-1]["metric"]
    assert final["stages"][-1]["macs"] == pruned["stages"][-1]["macs"]
    assert refused("transform", *net, "--output", ".") == (
        2,
        f"error: {files}/net.onnx: would be replaced by what is made from it; choose another "
        "--output",
    )
    again = prunus("finetune", *net, "--iterations", "5")  # on the samples of the first one
    assert again["stages"] == tuned["stages"]


def test_options_without_effect(files):
    assert refused("stat", "--model", "net.onnx", "--option", "input_shape=1x1x12x12") == (
        2, "error: --option input_shape: format onnx has no such option; it has input-shape",
    )  # fmt: skip
    assert refused("stat", "--model", "net.onnx", "--weights", "test.npz") == (
        2, "error: --weights test.npz: no .onnx file; a network's weights come from its own file, or from another .onnx file of the same structure",
    )  # fmt: skip
