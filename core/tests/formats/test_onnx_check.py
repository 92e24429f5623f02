from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from prunus.errors import ModelError
from prunus.evaluation.random_inputs import random_inputs
from prunus.formats.onnx_read import read_onnx


def saved(tmp_path, build, number, kind):
    network = build(
        [("Gemm", ["x", "fc/weight"], ["y"], {})],
        {"fc/weight": np.ones((5, 7), number)},
        {"x": (5,)},
        {"y": (7,)},
    )
    network.model.graph.inputs[0].type = ir.TensorType(kind)
    ir.save(network.model, tmp_path / "net.onnx")
    return tmp_path / "net.onnx"


@pytest.mark.parametrize(
    ("number", "kind", "message"),
    [
        (np.float32, ir.DataType.DOUBLE, "input 'x' is double"),
        (np.float32, ir.DataType.FLOAT16, "input 'x' is float16"),
        (np.float16, ir.DataType.FLOAT, "initializer 'fc/weight' is float16"),
    ],
)
def test_other_precisions_are_refused_by_name(tmp_path, build, number, kind, message):
    path = saved(tmp_path, build, number, kind)
    with pytest.raises(ModelError) as caught:
        read_onnx(path, None)
    assert str(caught.value) == f"{path}: {message}; convert the model to float32"


def test_float32_is_read(tmp_path, build):
    network = read_onnx(saved(tmp_path, build, np.float32, ir.DataType.FLOAT), None)
    assert random_inputs(network.model, 3, 0)["x"].shape == (3, 5)
