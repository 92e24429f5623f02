"""Weights stay out of the serialised graph: as outside data, or as inputs."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from onnx import TensorProto, helper

from prunus.errors import ModelError, ProofError
from prunus.evaluation.session import Session, with_fed_weights
from prunus.proof import compare, prove


def model(weight: np.ndarray) -> ir.Model:
    """y = x W^T, W of 128 kB."""
    node = helper.make_node("Gemm", ["x", "w"], ["y"], transB=1)
    graph = helper.make_graph(
        [node], "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 256])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 128])],
        [helper.make_tensor("w", TensorProto.FLOAT, weight.shape, weight.tobytes(), raw=True)],
    )  # fmt: skip
    opset = [helper.make_opsetid("", 18)]
    return ir.from_proto(helper.make_model(graph, opset_imports=opset, ir_version=10))


@pytest.fixture
def weight() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((128, 256)).astype(np.float32)


def test_weights_outside_and_fed_give_the_same_numbers(weight: np.ndarray) -> None:
    x = np.random.default_rng(1).standard_normal((3, 256)).astype(np.float32)
    whole = model(weight)
    assert np.allclose(Session(whole).run({"x": x})["y"], x @ weight.T, atol=1e-4)
    fed, weights = with_fed_weights(whole)
    assert [value.name for value in fed.graph.inputs] == ["x", "w"]
    found = Session(fed).run({"x": x, **weights})["y"]
    assert np.allclose(found, x @ weight.T, atol=1e-4)
    assert whole.graph.initializers["w"].const_value is not None


def test_proof(weight: np.ndarray) -> None:
    assert compare(model(weight), model(weight.copy())).error == 0
    other = weight.copy()
    other[3, 5] += 1
    with pytest.raises(ProofError, match=r"^the compact network differs from the masked one at output 'y': relative error \d\.\de-\d\d, allowed 1e-05; nothing was written$"):
        prove(model(weight), model(other))


def test_refused_graph(weight: np.ndarray) -> None:
    with pytest.raises(ModelError, match="^ONNX Runtime cannot run the graph: "):
        Session(model(weight[:, :200].copy())).run({"x": np.zeros((1, 256), np.float32)})
