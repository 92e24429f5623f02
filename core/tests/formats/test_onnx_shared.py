from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from prunus.formats.onnx_read import read_onnx
from prunus.grouping import find_groups


def saved(path, bias):
    """Two layers after each other that share one vector."""
    draw = np.random.default_rng(0)
    arrays = {
        "w1": draw.standard_normal((6, 6)).astype(np.float32),
        "w2": draw.standard_normal((6, 6)).astype(np.float32),
        "b": np.asarray(bias, np.float32),
    }
    nodes = [
        helper.make_node("MatMul", ["x", "w1"], ["m1"]),
        helper.make_node("Add", ["m1", "b"], ["a1"]),
        helper.make_node("Relu", ["a1"], ["r"]),
        helper.make_node("MatMul", ["r", "w2"], ["m2"]),
        helper.make_node("Add", ["m2", "b"], ["y"]),
    ]
    info = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 6]) for name in "xy"]
    weights = [numpy_helper.from_array(array, name) for name, array in arrays.items()]
    graph = helper.make_graph(nodes, "g", info[:1], info[1:], weights)
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path
    )
    return read_onnx(path, None)


def test_zeros_that_an_exporter_stores_once_tie_no_layers(tmp_path):
    network = saved(tmp_path / "zeros.onnx", np.zeros(6))
    assert [group.name for group in find_groups(network).groups] == ["m1"]
    assert {"b", "y/vector1"} <= set(network.bindings) or {"b", "a1/vector1"} <= set(
        network.bindings
    )


def test_different_numbers_are_shared_on_purpose(tmp_path):
    network = saved(tmp_path / "numbers.onnx", np.arange(6))
    assert find_groups(network).groups == ()
