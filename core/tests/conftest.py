"""Small networks that unit tests share."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx_ir as ir
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from prunus.network import Binding, Network

Build = Callable[..., Network]


def build_network(
    nodes: list[tuple[str, list[str], list[str], dict[str, object]]],
    weights: dict[str, NDArray[np.generic]],
    inputs: dict[str, tuple[int, ...]],
    outputs: dict[str, tuple[int, ...]],
) -> Network:
    """A network from (operator, inputs, outputs, attributes); nodes are named by their output."""
    graph = helper.make_graph(
        [helper.make_node(op, i, o, name=o[0], **a) for op, i, o, a in nodes],
        "test",
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, ["N", *s]) for n, s in inputs.items()],
        [
            helper.make_tensor_value_info(n, TensorProto.FLOAT, ["N", *s])
            for n, s in outputs.items()
        ],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    bindings = {
        name: Binding(name.split("/")[0], name.split("/")[1]) for name in weights if "/" in name
    }
    layers = {node[2][0]: (node[2][0],) for node in nodes}
    return Network(ir.from_proto(proto), "onnx", bindings, layers)


@pytest.fixture
def draw() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture
def build() -> Build:
    return build_network


@pytest.fixture
def lenet(draw: np.random.Generator) -> Network:
    """conv - relu - pool - conv - sigmoid - flatten - fc - relu - fc, on (1, 12, 12)."""

    def weight(*shape: int) -> NDArray[np.float32]:
        return (draw.standard_normal(shape) / np.sqrt(np.prod(shape[1:]))).astype(np.float32)

    return build_network(
        [
            ("Conv", ["data", "conv1/weight", "conv1/bias"], ["conv1"], {"kernel_shape": [3, 3]}),
            ("Relu", ["conv1"], ["relu1"], {}),
            ("MaxPool", ["relu1"], ["pool1"], {"kernel_shape": [2, 2], "strides": [2, 2]}),
            ("Conv", ["pool1", "conv2/weight", "conv2/bias"], ["conv2"], {"kernel_shape": [2, 2]}),
            ("Sigmoid", ["conv2"], ["act2"], {}),
            ("Flatten", ["act2"], ["flat"], {}),
            ("Gemm", ["flat", "ip1/weight", "ip1/bias"], ["ip1"], {"transB": 1}),
            ("Relu", ["ip1"], ["relu3"], {}),
            ("Gemm", ["relu3", "ip2/weight", "ip2/bias"], ["ip2"], {"transB": 1}),
        ],
        {
            "conv1/weight": weight(8, 1, 3, 3),
            "conv1/bias": weight(8, 1)[:, 0],
            "conv2/weight": weight(12, 8, 2, 2),
            "conv2/bias": weight(12, 1)[:, 0],
            "ip1/weight": weight(20, 12 * 16),
            "ip1/bias": weight(20, 1)[:, 0],
            "ip2/weight": weight(4, 20),
            "ip2/bias": weight(4, 1)[:, 0],
        },
        {"data": (1, 12, 12)},
        {"ip2": (4,)},
    )


@pytest.fixture
def tokens(draw: np.random.Generator) -> Network:
    """A residual pair of layers on every pixel: their batch axis holds samples times pixels."""

    def weight(*shape: int) -> NDArray[np.float32]:
        return (draw.standard_normal(shape) / np.sqrt(np.prod(shape[1:]))).astype(np.float32)

    return build_network(
        [
            ("Conv", ["data", "conv/weight", "conv/bias"], ["conv"], {"kernel_shape": [3, 3]}),
            ("Sigmoid", ["conv"], ["act"], {}),
            ("Transpose", ["act"], ["last"], {"perm": [0, 2, 3, 1]}),
            ("Reshape", ["last", "rows"], ["tokens"], {}),
            ("Gemm", ["tokens", "ip1/weight", "ip1/bias"], ["ip1"], {"transB": 1}),
            ("Sigmoid", ["ip1"], ["act1"], {}),
            ("Gemm", ["act1", "ip2/weight", "ip2/bias"], ["ip2"], {"transB": 1}),
            ("Add", ["act1", "ip2"], ["sum"], {}),
            ("Gemm", ["sum", "ip3/weight", "ip3/bias"], ["ip3"], {"transB": 1}),
            ("Reshape", ["ip3", "samples"], ["pixels"], {}),
            ("ReduceMean", ["pixels"], ["scores"], {"axes": [1], "keepdims": 0}),
        ],
        {
            "conv/weight": weight(8, 1, 3, 3),
            "conv/bias": weight(8, 1)[:, 0],
            "ip1/weight": weight(12, 8),
            "ip1/bias": weight(12, 1)[:, 0],
            "ip2/weight": weight(12, 12),
            "ip2/bias": weight(12, 1)[:, 0],
            "ip3/weight": weight(4, 12),
            "ip3/bias": weight(4, 1)[:, 0],
            "rows": np.array([-1, 8]),
            "samples": np.array([-1, 100, 4]),
        },
        {"data": (1, 12, 12)},
        {"scores": (4,)},
    )
