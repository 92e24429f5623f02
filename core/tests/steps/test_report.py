from __future__ import annotations

import json
from pathlib import Path

from prunus.descriptors import Format
from prunus.evaluation.evaluator import Look
from prunus.graph.parameters import parameters
from prunus.network import Source, Written
from prunus.steps.report import (
    GroupRow,
    Report,
    Stage,
    collapse_of,
    looked_at,
    new_files,
    size_on_disk,
)
from prunus.task import Measurement


def test_reports_are_plain_json():
    report = Report(
        "prune",
        "top-1",
        (Stage("original", Measurement(0.5, 0.01), 100, 10),),
        (GroupRow("conv1", 8, 4, 60, 30),),
        ("a note",),
        (Path("ws/net.onnx"),),
        "prunus finetune",
        {"rate": 0.5},
    )
    found = json.loads(json.dumps(report.to_json()))
    assert found["stages"][0] == {
        "name": "original",
        "metric": {"value": 0.5, "error": 0.01},
        "macs": 100,
        "params": 10,
        "bytes": None,
        "milliseconds": None,
        "beside": {},
    }
    assert found["files"] == ["ws/net.onnx"]
    assert found["facts"] == {"rate": 0.5}


def test_a_collapse_is_the_first_thing_said():
    found = json.dumps(Report("prune", collapse="it is dead").to_json())
    assert found.startswith('{"collapse": "it is dead", "step": "prune"')
    assert collapse_of(None, "pruned") is None
    assert collapse_of(Look(Measurement(0.5), {}, None), "pruned") is None
    assert collapse_of(Look(Measurement(0.1), {}, "its outputs are the same"), "pruned") == (
        "the pruned network has collapsed: its outputs are the same; prune less, compensate with "
        "more samples (--data, --train-data), or finetune before it is used"
    )


def test_a_stage_is_shown_as_it_was_looked_at():
    stage = Stage("pruned", None, 100, 10)
    assert looked_at(stage, None) == stage
    look = Look(Measurement(0.5), {"agreement": Measurement(0.9)}, None)
    found = looked_at(stage, look)
    assert (found.metric, found.beside) == (look.value, look.beside)


def test_parameters_are_what_is_learned(build, draw):
    network = build(
        [
            ("Conv", ["x", "c/weight"], ["c"], {}),
            ("BatchNormalization", ["c", "n/scale", "n/shift", "n/mean", "n/variance"], ["n"], {}),
            ("Reshape", ["n", "shape"], ["y"], {}),
        ],
        {
            "c/weight": draw.random((4, 3, 1, 1)),
            **{f"n/{role}": draw.random(4) for role in ("scale", "shift", "mean", "variance")},
            "shape": draw.integers(1, 2, 2),
        },
        {"x": (3, 2, 2)},
        {"y": (16,)},
    )
    assert parameters(network, network.model) == 4 * 3 + 4 + 4


def test_bytes_of_files_directories_and_checkpoints(tmp_path):
    (tmp_path / "net.onnx").write_bytes(b"12345")
    (tmp_path / "saved/variables").mkdir(parents=True)
    (tmp_path / "saved/graph.pb").write_bytes(b"123")
    (tmp_path / "saved/variables/data").write_bytes(b"1234")
    (tmp_path / "model.ckpt.index").write_bytes(b"12")
    (tmp_path / "model.ckpt.data-00000-of-00001").write_bytes(b"123456")
    text = tmp_path / "net.txt"
    text.write_bytes(b"123")
    plain = Format("plain", "", lambda path: True)
    parts = Format("parts", "", lambda path: True, files=_parts)
    assert size_on_disk(Written(tmp_path / "net.onnx", None), plain) == 5
    assert size_on_disk(Written(tmp_path / "saved", None), plain) == 7
    assert size_on_disk(Written(text, tmp_path / "net.onnx"), plain) == 8
    assert size_on_disk(Written(text, text), plain) == 3
    assert size_on_disk(Written(text, tmp_path / "model.ckpt"), parts) == 11


def _parts(source):
    return tuple(source.model.parent.glob(f"{source.weights.name}.*"))


def test_the_users_own_structure_file_is_not_reported_as_new():
    own = Path("net.prototxt")
    written = Written(own, Path("out/net.caffemodel"), (Path("out/solver"),))
    assert new_files(written, Source(own)) == (Path("out/solver"), Path("out/net.caffemodel"))
    assert new_files(Written(Path("out/net.onnx"), None), Source(own)) == (Path("out/net.onnx"),)
