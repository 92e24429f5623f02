from __future__ import annotations

from pathlib import Path

import attrs
import onnx
import pytest

from prunus.engines.agree import Agreed, check_agreement
from prunus.errors import DataError, ProofError, UsageError
from prunus.steps.hand_off import hand_over


def test_a_file_for_every_engine_is_proven(host, settings):
    report = hand_over(host, settings, "onnx", Path("out"), int8=False)
    assert report.files == (Path("out/net.onnx"),)
    assert report.facts["agreement"]["error"] <= 1e-6
    assert [stage.name for stage in report.stages] == ["network", "float in onnxruntime"]
    first, second = (stage.metric.value for stage in report.stages)
    assert first == pytest.approx(second)
    (value,) = onnx.load("out/net.onnx").graph.input
    assert value.type.tensor_type.shape.dim[0].dim_param  # any batch


def test_int8_is_measured_beside_the_float_network(host, settings):
    report = hand_over(host, settings, "onnx", Path("out"), int8=True)
    assert report.files == (Path("out/net.onnx"), Path("out/net.int8.onnx"))
    names = [stage.name for stage in report.stages]
    assert names == ["network", "float in onnxruntime", "int8 in onnxruntime"]
    assert all(stage.metric is not None for stage in report.stages)
    assert report.stages[2].bytes < report.stages[1].bytes
    assert [row.network for row in report.times] == ["float", "int8"]
    kinds = {node.op_type for node in onnx.load("out/net.int8.onnx").graph.node}
    assert {"QuantizeLinear", "DequantizeLinear"} <= kinds
    assert sorted(path.name for path in Path("out").iterdir()) == ["net.int8.onnx", "net.onnx"]


def test_int8_needs_samples(host, settings):
    with pytest.raises(DataError) as caught:
        hand_over(host, attrs.evolve(settings, data=None), "onnx", Path("out"), int8=True)
    assert str(caught.value) == "int8 needs samples to choose its ranges by: give --data"
    assert not Path("out").exists()


def test_an_unknown_engine(host, settings):
    with pytest.raises(UsageError) as caught:
        hand_over(host, settings, "onxruntime", Path("out"), int8=False)
    assert str(caught.value) == (
        "unknown engine 'onxruntime'; there are: onnxruntime; did you mean 'onnxruntime'?"
    )


def test_other_numbers_are_refused():
    check_agreement(Agreed(1e-4, 1, 1), "fast")
    with pytest.raises(ProofError) as caught:
        check_agreement(Agreed(2e-4, 1, 1), "fast")
    assert str(caught.value) == (
        "fast computes other numbers than the network (relative error 2.0e-04, allowed 0.0001); "
        "nothing was written"
    )
