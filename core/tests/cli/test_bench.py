from __future__ import annotations

import json

from prunus.cli import run


def test_two_networks_side_by_side(files, capsys):
    (files / "same.onnx").write_bytes((files / "net.onnx").read_bytes())
    line = "bench net.onnx same.onnx --engine onnxruntime --threads 1 --seconds 0.05"
    assert run(line.split()) == 0
    text = capsys.readouterr().out
    assert "onnxruntime" in text
    assert "time saved" in text
    assert run([*line.split(), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [row["network"] for row in found["times"]] == ["net.onnx", "same.onnx"]
    assert found["times"][0]["timing"]["share"] == 1
    assert found["facts"] == {"threads": 1}


def test_weights_for_some_models_only(files, capsys):
    assert run("bench net.onnx net.onnx --weights net.onnx --engine onnxruntime".split()) == 2
    assert capsys.readouterr().err == (
        "error: --weights is given 1 times for 2 models; give one for each, in their order\n"
    )


def test_transform_measures_in_engines(files, capsys):
    assert run("prune --model net.onnx --rate 0.4 --workspace ws".split()) == 0
    line = "transform --workspace ws --output small --measure onnxruntime --json"
    capsys.readouterr()
    assert run(line.split()) == 0
    found = json.loads(capsys.readouterr().out)
    assert [row["network"] for row in found["times"]] == ["original", "transformed"]
    assert found["stages"][0]["milliseconds"] is not None
    assert run("transform --workspace ws --output other --measure fast-engine".split()) == 2
    assert "unknown engine 'fast-engine'" in capsys.readouterr().err
    assert not (files / "other").exists()


def test_transform_takes_measure_alone_and_no_measure(files, capsys):
    assert run("prune --model net.onnx --rate 0.4 --workspace ws".split()) == 0
    capsys.readouterr()
    for option, timed in (("--measure", True), ("--no-measure", False)):
        line = f"transform --workspace ws {option} --output small --json"
        assert run(line.split()) == 0
        found = json.loads(capsys.readouterr().out)
        assert (found["stages"][0]["milliseconds"] is not None) == timed
        assert found["times"] == []


def test_int8_without_an_engine(files, capsys):
    assert run("export --model net.onnx --int8 --output out".split()) == 2
    assert capsys.readouterr().err == (
        "error: --int8: say for which engine with --to, for example --to onnx\n"
    )
