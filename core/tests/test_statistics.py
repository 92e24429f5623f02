from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import prunus


def attention():
    """A product of two projections of the same five tokens, and one with a third."""
    draw = np.random.default_rng(0)
    weights = [
        numpy_helper.from_array(draw.standard_normal((8, 8)).astype(np.float32), f"w{n}")
        for n in range(3)
    ]
    nodes = [
        helper.make_node("MatMul", ["x", f"w{n}"], [name], name)
        for n, name in enumerate(("query", "key", "value"))
    ]
    nodes += [
        helper.make_node("Transpose", ["key"], ["turned"], "turn", perm=[0, 2, 1]),
        helper.make_node("MatMul", ["query", "turned"], ["scores"], "scores"),
        helper.make_node("Softmax", ["scores"], ["shares"], "shares", axis=-1),
        helper.make_node("MatMul", ["shares", "value"], ["mixed"], "mixed"),
    ]
    graph = helper.make_graph(
        nodes,
        "attention",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 5, 8])],
        [helper.make_tensor_value_info("mixed", TensorProto.FLOAT, ["N", 5, 8])],
        weights,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def test_products_of_attention_have_rows_of_their_own(tmp_path):
    onnx.save(attention(), tmp_path / "attention.onnx")
    found = prunus.stat(prunus.load(tmp_path / "attention.onnx"))
    rows = {row.layer: (row.params, row.macs) for row in found.layers}
    assert rows["query"] == (64, 5 * 8 * 8)
    assert rows["scores"] == (0, 5 * 5 * 8)
    assert rows["mixed"] == (0, 5 * 5 * 8)
    assert sum(macs for _, macs in rows.values()) == found.macs
