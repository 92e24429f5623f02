"""Every message a user can get from the core: exact text, exit code, nothing left behind."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image

from prunus.cli import run
from prunus.testing.command_line import refused

NET = ("--model", "net.onnx", "--workspace", "ws")


def test_missing_model(files):
    assert refused("stat", "--model", "no.onnx") == (
        3, "error: no.onnx: no such file or directory; check --model",
    )  # fmt: skip


def test_no_model(files):
    assert refused("stat") == (2, "error: no model given; use --model FILE or --config FILE")


def test_unknown_format(files):
    (files / "net.xyz").write_text("?")
    code, message = refused("stat", "--model", "net.xyz")
    assert code == 2
    assert message.startswith(
        "error: net.xyz: no installed format recognises this file; installed: "
    )


def test_truncated_model(files):
    data = (files / "net.onnx").read_bytes()
    (files / "net.onnx").write_bytes(data[: len(data) // 2])
    code, message = refused("stat", "--model", "net.onnx")
    assert code == 3
    assert message.startswith("error: net.onnx: not a readable ONNX file (")
    assert message.endswith("); is it complete?")


def test_nan_weights(files):
    model = onnx.load("net.onnx")
    weight = model.graph.initializer[0]
    array = onnx.numpy_helper.to_array(weight).copy()
    array[0, 0, 0, 0] = np.nan
    weight.CopyFrom(onnx.numpy_helper.from_array(array, weight.name))
    onnx.save(model, "net.onnx")
    assert refused("stat", "--model", "net.onnx") == (
        3, "error: net.onnx: initializer 'w1' holds NaN or infinite numbers",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (
            ("--rate", "1.5"),
            (2, "error: --rate 1.5: a share of MACs in [0, 1); did you mean 0.015?"),
        ),
        (
            (),
            (
                2,
                "error: give either --rate (share of MACs to remove), --params, --bytes, --latency, "
                "--max-loss or several of these; or --threshold (metric loss per group); or --density "
                "(share of a group that stays)",
            ),
        ),
        (("--rate", "0.5", "--multiple", "0"), (2, "error: --multiple 0: a whole number from 1")),
        (
            ("--rate", "0.5", "--criterion", "fpgn"),
            (
                2,
                "error: unknown criterion 'fpgn'; there are: apoz, block-obd, block-obs, bn-scale, "
                "fisher, fpgm, hrank, l1, l2, lamp, magnitude, obs, random, taylor, thinet; did you mean 'fpgm'?",
            ),
        ),
        (
            ("--rate", "0.5", "--exclude", "conv9"),
            (
                2,
                "error: --exclude conv9: the network has no such layer; did you mean 'conv2'?; "
                "'prunus stat' lists them",
            ),
        ),
        (
            ("--rate", "0.5", "--criterion", "bn-scale"),
            (
                2,
                "error: criterion 'bn-scale' cannot score group 'conv1': no BatchNorm scale acts on its "
                "channels; use l1, l2 or fpgm, or exclude it",
            ),
        ),
        (
            ("--rate", "0.5", "--exclude", "conv1", "--exclude", "conv2"),
            (
                6,
                "error: no prunable group: every channel is protected; 'prunus stat' lists the reasons",
            ),
        ),
        (
            ("--threshold", "0.1"),
            (
                6,
                "error: allocation 'sensitivity' needs measured curves: those that 'prunus ana' "
                "leaves in the workspace, or sensitivity= from Python",
            ),
        ),
        (
            ("--rate", "0.5", "--option", "x"),
            (2, "error: --option x: write NAME=VALUE"),
        ),
    ],
)
def test_prune(files, monkeypatch, arguments, expected):
    monkeypatch.setenv("PRUNUS_PLUGINS", "")
    assert refused("prune", *NET, *arguments) == expected
    assert not (files / "ws").exists() or not any((files / "ws").iterdir())


def test_rate_out_of_reach(files):
    code, message = refused("prune", *NET, "--rate", "0.999")
    assert code == 6
    assert message.startswith(
        "error: rate 0.999 is out of reach: removing all but the last channels of every group saves 0."
    )


def test_steps_in_the_wrong_order(files):
    assert refused("finetune", "--workspace", "ws") == (
        2, "error: ws: nothing pruned here yet; run 'prunus prune' first",
    )  # fmt: skip
    assert refused("transform", "--workspace", "ws") == (
        2, "error: ws: nothing pruned here yet; run 'prunus prune' first",
    )  # fmt: skip


def test_transform_refuses_dense_weights(files):
    assert refused("transform", "--model", "net.onnx", "--output", "out") == (
        6,
        "error: net.onnx: no channel is masked, so nothing can be removed; give the weights that "
        "'prunus prune' or 'prunus finetune' wrote",
    )
    assert not (files / "out").exists()


def test_no_data(files):
    assert refused("ana", *NET) == (
        4,
        "error: no samples to analyse with: give --data, or prune without 'ana' by --allocation uniform",
    )


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": np.zeros((0, 1, 12, 12))}, "error: d.npz: no samples"),
        ({"z": np.zeros(3)}, "error: d.npz: no array 'x' (samples), found ['z']"),
        (
            {"x": np.zeros((4, 1, 9, 9))},
            "error: d.npz: samples of shape (1, 9, 9) do not fit input 'data' of shape (1, 12, 12)",
        ),
        ({"x": np.zeros((4, 1, 12, 12)), "y": np.zeros(3)}, "error: d.npz: 4 samples but 3 labels"),
    ],
)
def test_bad_samples(files, arrays, message):
    np.savez("d.npz", **arrays)
    assert refused("ana", *NET, "--data", "d.npz") == (4, message)


def test_labels_of_another_network(files, capsys):
    np.savez("d.npz", x=np.zeros((4, 1, 12, 12)), y=np.full(4, 7))
    assert run(["ana", *NET, "--data", "d.npz"]) == 4  # its journal stays, it can go on
    assert capsys.readouterr().err.splitlines()[-1] == (
        "error: d.npz: label 7 does not fit the network's 4 outputs; is this the right data set?"
    )


@pytest.mark.parametrize("command", ["eval", "prune"])
@pytest.mark.parametrize(("data", "label"), [("d.npz", 7), ("list.txt", 21), ("list.txt", 4)])
def test_the_file_of_a_label_that_does_not_fit_is_named(files, capsys, command, data, label):
    np.savez("d.npz", x=np.zeros((4, 1, 12, 12)), y=np.full(4, label))
    Image.new("L", (12, 12)).save("a.png")
    Path("list.txt").write_text(f"a.png {label}\n")
    more = ("--workspace", "ws", "--rate", "0.3") if command == "prune" else ()
    assert run([command, *NET[:2], *more, "--data", data]) == 4
    assert capsys.readouterr().err.splitlines()[-1] == (
        f"error: {data}: label {label} does not fit the network's 4 outputs; is this the right "
        "data set?"
    )


def test_damaged_samples(files):
    (files / "d.npz").write_bytes(b"PK\x03\x04 not a zip")
    code, message = refused("ana", *NET, "--data", "d.npz")
    assert code == 4
    assert message.startswith("error: d.npz: not a readable .npz file (")


def test_damaged_result_of_an_earlier_step(files, prunus):
    prunus("ana", *NET, "--data", "test.npz")
    (files / "ws/ana.json").write_text('{"metric": "top-1", ')
    code, message = refused("prune", *NET, "--rate", "0.5")
    assert code == 7
    assert message.startswith("error: ws/ana.json: damaged (")
    assert message.endswith("); remove it and run the step again")


def test_configuration(files):
    (files / "prunus.toml").write_text('model = "net.onnx"\nrat = 0.5\n')
    code, message = refused("prune", "--config", "prunus.toml")
    assert code == 2
    assert message.startswith(
        "error: prunus.toml: unknown key 'rat'; did you mean 'rate'?; known: allocation, "
    )
    (files / "prunus.toml").write_text("model = \n")
    assert refused("prune", "--config", "prunus.toml")[1].startswith("error: prunus.toml: ")


def test_unknown_command(files):
    assert refused("prun") == (2, "error: no command 'prun'; did you mean 'prune'?")


def test_workspace_that_cannot_be_made(files):
    (files / "ws").write_text("a file")
    code, message = refused("prune", *NET, "--rate", "0.5")
    assert code == 1
    assert message.startswith("error: ws")


def test_failed_write_leaves_the_last_result(files, prunus, monkeypatch):
    prunus("prune", *NET, "--rate", "0.5")
    import onnx_ir

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(onnx_ir, "save", full)
    code, message = refused("prune", *NET, "--rate", "0.5", "--criterion", "l2")
    assert (code, message) == (
        1, "error: ws/rate_0.5: cannot write (No space left on device); nothing was changed",
    )  # fmt: skip


def test_json_errors_leave_stdout_empty(files):
    assert refused("stat", "--model", "no.onnx", "--json")[0] == 3


def test_plugins_are_listed_as_json(prunus):
    listed = prunus("plugins")
    assert any("criterion l1" in offers for offers in listed["plugins"].values())
    assert json.dumps(listed)
