"""Golden texts: what people read."""

from __future__ import annotations

import json
from pathlib import Path

import click
import pytest
from rich.console import Console

from prunus.cli import render
from prunus.cli.render import counting, group_label, notes, show, training_progress
from prunus.groups import Protected
from prunus.sensitivity import Curve, Point, Sensitivity
from prunus.statistics import GroupLine, LayerRow, Statistics
from prunus.steps.report import GroupRow, Report, Stage
from prunus.task import Measurement
from prunus.training import Progress

REPORT = Report(
    "prune",
    "top-1",
    (
        Stage("original", Measurement(0.9132, 0.0028), 40_551_040, 269_034, 1_091_570),
        Stage("pruned", Measurement(0.5, 0.0), 20_285_648, 134_000, None, 1.23456),
        Stage("unmeasured", None, 0, 0),
    ),
    (GroupRow("conv1", 16, 12, 442_368, 331_776), GroupRow("conv2[a]+conv3", 64, 64, 0, 0)),
    ("no samples", "a second note"),
    (Path("ws/rate_0.5/net.onnx"),),
    "prunus finetune",
    {"rate": 0.49975, "rate_asked": 0.5, "threshold": None},
)

GROUPS = """\
group           channels  kept  ratio     MACs  MACs kept
conv1                 16    12   0.25  442,368    331,776
conv2[a]+conv3        64    64   0.00        0          0
"""

STAGES = """\
network               top-1   params        MACs  MACs removed      bytes     ms
original    0.9132 ± 0.0028  269,034  40,551,040         0.00%  1,091,570
pruned               0.5000  134,000  20,285,648        49.98%             1.235
unmeasured     not measured        0           0       100.00%
"""


def printed(capsys):
    captured = capsys.readouterr()
    return "".join(f"{line.rstrip()}\n" for line in captured.out.splitlines()), captured.err


def test_a_report(capsys):
    show(REPORT, as_json=False)
    out, err = printed(capsys)
    assert out == f"{GROUPS}{STAGES}rate 0.4998 (asked 0.5)\n"
    assert err == (
        "note: no samples\nnote: a second note\nwrote ws/rate_0.5/net.onnx\nnext: prunus finetune\n"
    )


def test_the_next_command_is_about_the_same_workspace(capsys):
    command = click.Command(
        "prune", params=[click.Option(["--config"]), click.Option(["--workspace"])]
    )
    with command.make_context("prune", ["--workspace", "my ws"]):
        show(REPORT, as_json=False)
    assert printed(capsys)[1].endswith("next: prunus finetune --workspace 'my ws'\n")


@pytest.mark.parametrize(
    ("facts", "line"),
    [
        ({"proof": {"error": 4.2e-7, "output": "y", "samples": 12}}, "proof: written files equal the masked network on 12 inputs, largest relative error 4.2e-07\n"),
        ({"proof": {"error": 0.0, "output": "y", "samples": 4}, "exact": False}, "proof: written files equal the compact network on 4 inputs, largest relative error 0.0e+00\n"),
        ({"proof": None}, "proof: left out\n"),
        ({"rate": 0.25}, "rate 0.2500\n"),
        ({}, ""),
    ],
)  # fmt: skip
def test_facts(capsys, facts, line):
    show(Report("transform", facts=facts), as_json=False)
    assert printed(capsys) == (line, "")


def test_json_is_alone_on_stdout(capsys):
    show(REPORT, as_json=True)
    out, err = printed(capsys)
    assert err == ""
    assert json.loads(out) == json.loads(json.dumps(REPORT.to_json()))
    assert json.loads(out)["notes"] == ["no samples", "a second note"]


def test_curves(capsys):
    curves = (
        Curve("conv1", 16, (Point(0.1, 14, 0.9, 0.01), Point(0.5, 8, 0.25, 0.01))),
        Curve("conv10", 4, (Point(0.5, 2, -1.5, 0.01),)),
    )
    show(Sensitivity("top-1", True, Measurement(0.95, 0.012), curves, {}), as_json=False)
    assert (
        printed(capsys)[0]
        == """\
group   channels     0.1      0.5
conv1         16  0.9000   0.2500
conv10         4          -1.5000
top-1 of the whole network: 0.9500 ± 0.0120
"""
    )


def test_statistics(capsys):
    found = Statistics(
        (LayerRow("conv1", "Conv", (16, 32, 32), 448, 442_368), LayerRow("bn1", "BatchNormalization", (16, 32, 32), 32, 0)),
        (GroupLine("conv1", ("conv1",), 16, True), GroupLine("conv2", ("conv2",), 8, False)),
        (Protected("fc", 10, "graph output"),),
        442_368,
        480,
        ("read as pjreddie's",),
    )  # fmt: skip
    show(found, as_json=False)
    out, err = printed(capsys)
    assert (
        out
        == """\
layer  operator              output  params     MACs
conv1  Conv                16×32×32     448  442,368
bn1    BatchNormalization  16×32×32      32
total                                   480  442,368
group  channels  exact
conv1        16  yes
conv2         8  no (LRN)
protected layer  channels  reason
fc                     10  graph output
"""
    )
    assert err == "note: read as pjreddie's\n"


def test_notes_are_on_stderr(capsys):
    notes(["one", "two"])
    assert printed(capsys) == ("", "note: one\nnote: two\n")


@pytest.mark.parametrize(
    ("name", "width", "shown"),
    [
        ("conv1", 160, "conv1"),
        ("a" * 60, 160, "a" * 60),
        ("conv1+conv2", 160, "conv1+conv2"),
        ("layer1/conv1+layer1/conv2+layer2/conv1+layer2/conv2", 160, "layer1/conv1 + 3 more"),
        ("104:convolutional+105:convolutional", 100, "104:convolutional+105:convolutional"),
        ("104:convolutional+105:convolutional", 80, "104:convolutional + 1 more"),
    ],
)
def test_long_groups_are_named_by_their_first_layer(name, width, shown):
    assert group_label(name, width) == shown


def test_curves_fit_into_eighty_columns(capsys, monkeypatch):
    monkeypatch.setattr(render, "new_console", lambda: Console(highlight=False, width=80))
    ratios = [tenth / 10 for tenth in range(1, 10)]
    curve = Curve(
        "104:convolutional+105:convolutional", 224, tuple(Point(r, 9, -0.26854, 0) for r in ratios)
    )
    show(Sensitivity("map", True, Measurement(0.26051, 0.0), (curve,), {}), as_json=False)
    lines = printed(capsys)[0].splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[1].split() == ["104:conv", "224", *["-0.269"] * 9]
    assert lines[-1] == "map of the whole network: 0.2605"


def test_progress_leaves_nothing_in_a_pipe(capsys):
    with counting("analyse") as report:
        report(1, 2)
    with training_progress() as report:
        report(Progress(1, 2, 0.5, 0.01))
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "")
