"""Golden texts: what people read."""

from __future__ import annotations

import json
from pathlib import Path

import attrs
import click
import pytest
from rich.console import Console

from prunus.cli import render, tables
from prunus.cli.render import group_label, notes, show
from prunus.compression.storage import Storage
from prunus.groups import Protected
from prunus.sensitivity import Curve, Point, Sensitivity
from prunus.statistics import GroupLine, LayerRow, Statistics
from prunus.steps.report import GroupRow, Report, Stage
from prunus.task import Measurement

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
    ("the samples look wrong",),
    "not measured: no data",
)

GROUPS = """\
group           channels  kept  ratio     MACs  MACs kept
conv1                 16    12    25%  442,368    331,776
conv2[a]+conv3        64    64     0%        0          0
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
    assert out == f"{STAGES}rate 49.98% (asked 50%)\n{GROUPS}"
    assert err == (
        "warning: the samples look wrong\nnote: no samples\nnote: a second note\n"
        "note: not measured: no data\nwrote ws/rate_0.5/net.onnx\nnext: prunus finetune\n"
    )


BESIDE = attrs.evolve(
    REPORT,
    groups=(),
    facts={},
    stages=(
        *REPORT.stages[:1],
        attrs.evolve(
            REPORT.stages[1],
            beside={"agreement": Measurement(0.75, 0.1), "divergence": Measurement(0.01234)},
        ),
    ),
)


def many(count):
    rows = tuple(GroupRow(f"conv{i}", 16, 16 - i % 2, 100, 90) for i in range(count))
    return attrs.evolve(REPORT, groups=rows)


def test_many_groups_are_counted_and_listed_where_asked_for(capsys):
    show(many(12), as_json=False)
    assert "conv11" in printed(capsys)[0]
    show(many(13), as_json=False)
    assert printed(capsys)[0].endswith("(asked 50%)\n6 of 13 groups lose something\n")
    command = click.Command("prune", params=[click.Option(["--groups"], is_flag=True)])
    with command.make_context("prune", []):
        show(many(13), as_json=False)
    assert printed(capsys)[0].endswith("6 of 13 groups lose something; --groups lists them\n")
    with command.make_context("prune", ["--groups"]):
        show(many(13), as_json=False)
    assert "conv12" in printed(capsys)[0]


def test_columns_that_say_nothing_are_left_out(capsys, monkeypatch):
    bare = tuple(attrs.evolve(stage, bytes=None, milliseconds=None) for stage in REPORT.stages)
    monkeypatch.setattr(render, "new_console", lambda: Console(highlight=False, width=80))
    show(attrs.evolve(REPORT, stages=bare, groups=(), facts={}), as_json=False)
    assert printed(capsys)[0].splitlines()[0].split() == [
        "network", "top-1", "params", "MACs", "removed"
    ]  # fmt: skip


def test_times_say_how_they_were_measured(capsys):
    facts = {"engine": "ONNX Runtime 1.32.0, 2 threads, a processor"}
    show(attrs.evolve(REPORT, groups=(), facts=facts), as_json=False)
    assert printed(capsys)[0].endswith(
        "\nms: one sample at a time, ONNX Runtime 1.32.0, 2 threads, a processor\n"
    )


def test_names_of_many_tied_layers_fit_eighty_columns(capsys, monkeypatch):
    layers = tuple(f"stage3/block{i}/conv" for i in range(9))
    found = Statistics((), (GroupLine("+".join(layers), layers, 64, True),), (), 0, 0, ())
    monkeypatch.setattr(render, "new_console", lambda: Console(highlight=False, width=80))
    show(found, as_json=False)
    lines = printed(capsys)[0].splitlines()
    assert max(map(len, lines)) <= 80
    assert next(line for line in lines if "+ 8 more" in line).startswith(
        "stage3/block0/conv + 8 more "
    )
    assert all(layer in " ".join(lines) for layer in layers)


def test_measures_beside_the_metric(capsys):
    show(BESIDE, as_json=False)
    assert (
        printed(capsys)[0]
        == """\
network             top-1  agreement  divergence   params        MACs  MACs removed      bytes     ms
original  0.9132 ± 0.0028                         269,034  40,551,040         0.00%  1,091,570
pruned             0.5000     0.7500      0.0123  134,000  20,285,648        49.98%             1.235
"""
    )


def test_measures_beside_the_metric_on_a_narrow_terminal(capsys, monkeypatch):
    monkeypatch.setattr(render, "new_console", lambda: Console(highlight=False, width=100))
    show(BESIDE, as_json=False)
    assert printed(capsys)[0].splitlines()[3:] == [
        "network  agreement  divergence",
        "pruned      0.7500      0.0123",
    ]


def test_a_collapse_is_the_first_line(capsys):
    show(attrs.evolve(REPORT, collapse="the pruned network has collapsed"), as_json=False)
    assert printed(capsys)[0].startswith("warning: the pruned network has collapsed\nnetwork")
    show(attrs.evolve(REPORT, collapse="it has"), as_json=True)
    assert printed(capsys)[0].splitlines()[1] == ' "collapse": "it has",'


def test_the_next_command_is_about_the_same_workspace(capsys):
    command = click.Command(
        "prune", params=[click.Option(["--config"]), click.Option(["--workspace"])]
    )
    with command.make_context("prune", ["--workspace", "my ws"]):
        show(REPORT, as_json=False)
        show(REPORT, as_json=True)
    out, err = printed(capsys)
    assert err.endswith("next: prunus finetune --workspace 'my ws'\n")
    assert ' "next": "prunus finetune --workspace \'my ws\'",' in out.splitlines()


@pytest.mark.parametrize(
    ("facts", "line"),
    [
        ({"proof": {"error": 4.2e-7, "output": "y", "samples": 12}}, "proof: written files equal the masked network on 12 inputs, largest relative error 4.2e-07\n"),
        ({"proof": {"error": 0.0, "output": "y", "samples": 4}, "exact": False}, "proof: written files equal the compact network on 4 inputs, largest relative error 0.0e+00\n"),
        ({"proof": None}, "proof: left out\n"),
        ({"rate": 0.25}, "rate 25.00%\n"),
        ({"criterion": "l1", "allocation": "uniform"}, "criterion l1, allocation uniform\n"),
        ({}, ""),
    ],
)  # fmt: skip
def test_facts(capsys, facts, line):
    show(Report("transform", facts=facts), as_json=False)
    assert printed(capsys) == (line, "")


def test_rows_of_one_layer_are_one_row(capsys):
    rows = (
        LayerRow("0:convolutional", "Conv", (8, 4, 4), 216, 3_456),
        LayerRow("0:convolutional", "BatchNormalization", (8, 4, 4), 16, 0),
    )
    show(Statistics(rows, (), (), 3_456, 232, ()), as_json=False)
    assert printed(capsys)[0].splitlines()[2].split() == [
        "0:convolutional", "Conv,", "BatchNormalization", "8×4×4", "232", "3,456"
    ]  # fmt: skip


def test_a_narrow_terminal_shows_fewer_bytes_and_whole_names(capsys, monkeypatch):
    counts = (3_456, 3_000, 8, 5, 3_100, 13_824, 9_000, 4_480, 1_024, 400, 2_509)
    layer = Storage("conv1.weight", "conv1", *counts)
    monkeypatch.setattr(render, "new_console", lambda: Console(highlight=False, width=80))
    show(Report("compress", storage=(layer,)), as_json=False)
    assert (
        printed(capsys)[0]
        == """\
tensor        weights  density  bits   dense  coded  of dense
conv1.weight    3,456    86.8%     8  13,824  3,933    28.45%
total           3,456    86.8%        13,824  3,933    28.45%
"""
    )


def test_long_names_end_their_lines_at_their_own_signs(capsys, monkeypatch):
    name = "MobileNet/conv_ds_1/depthwise_conv/depthwise"
    rows = (LayerRow(name, "Conv", (64, 25, 5), 640, 72_000),)
    monkeypatch.setattr(render, "new_console", lambda: Console(highlight=False, width=60))
    show(Statistics(rows, (), (), 72_000, 640, ()), as_json=False)
    assert printed(capsys)[0].splitlines()[2:4] == [
        "MobileNet/conv_ds_1/      Conv       64×25×5     640  72,000",
        "depthwise_conv/depthwise",
    ]


def test_no_color_switches_bold_headers_off(monkeypatch):
    assert tables.new_table("group").header_style == "bold"
    monkeypatch.setenv("NO_COLOR", "1")
    assert tables.new_table("group").header_style == ""


def test_files_are_named_from_here(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    render.wrote([tmp_path / "ws" / "net.onnx", Path("/elsewhere/net.onnx")])
    assert capsys.readouterr().err == "wrote ws/net.onnx\nwrote /elsewhere/net.onnx\n"


def test_json_is_alone_on_stdout(capsys):
    show(REPORT, as_json=True)
    out, err = printed(capsys)
    assert err == ""
    assert json.loads(out) == json.loads(json.dumps(REPORT.to_json()))
    assert json.loads(out)["notes"] == ["no samples", "a second note"]
    assert json.loads(out)["warnings"] == ["the samples look wrong"]
    assert json.loads(out)["unmeasured"] == "not measured: no data"


def test_curves(capsys):
    curves = (
        Curve("conv1", 16, (Point(0.1, 14, 0.9, 0.01), Point(0.5, 8, 0.25, 0.01))),
        Curve("conv10", 4, (Point(0.5, 2, -1.5, 0.01),)),
    )
    show(Sensitivity("top-1", True, Measurement(0.95, 0.012), curves, {}), as_json=False)
    assert (
        printed(capsys)[0]
        == """\
group   channels     10%      50%
conv1         16  0.9000   0.2500
conv10         4          -1.5000
blank: the group has no such ratio; its channels go in larger steps
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
480 params, 442,368 MACs; groups: 2; protected layers: 1
layer  operators             output  params     MACs
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
