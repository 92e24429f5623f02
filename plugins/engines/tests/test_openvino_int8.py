from __future__ import annotations

import json

import numpy as np
import onnx_ir as ir
import pytest

from prunus.plugin import run
from prunus.testing.nets import NETS

pytestmark = pytest.mark.openvino
pytest.importorskip("prunus_engines", reason="prunus-engines is not installed")
pytest.importorskip("openvino", reason="OpenVINO is not installed")
pytest.importorskip("nncf", reason="nncf is not installed")


def test_what_nncf_prints_does_not_reach_a_program(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    model = NETS["lenet"](0)
    ir.save(model, "net.onnx")
    shape = (20, *(int(str(size)) for size in model.graph.inputs[0].shape[1:]))
    draw = np.random.default_rng(0)
    np.savez(
        "data.npz", x=draw.standard_normal(shape).astype(np.float32), y=draw.integers(0, 4, 20)
    )
    line = "export --model net.onnx --to openvino --int8 --data data.npz --output out --json"
    assert run(line.split()) == 0
    found = json.loads(capfd.readouterr().out)
    names = [stage["name"] for stage in found["stages"]]
    assert names == ["network", "float in openvino", "int8 in openvino"]
    files = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert files == ["net.bin", "net.int8.bin", "net.int8.xml", "net.xml"]
