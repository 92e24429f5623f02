"""Second derivatives of single weights against the closed form of a network of one layer."""

from __future__ import annotations

import attrs
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import prunus
from prunus.plugin import Loss, Recipe
from prunus_torch.curvature import diagonal


@pytest.fixture
def draw():
    return np.random.default_rng(0)


@pytest.fixture
def weight(draw):
    return draw.standard_normal((4, 5)).astype(np.float32)


@pytest.fixture
def inputs(draw):
    return draw.standard_normal((30, 5)).astype(np.float32)


@pytest.fixture
def chance(weight, inputs):
    """Softmax of the scores."""
    scores = inputs @ weight.T
    return np.exp(scores) / np.exp(scores).sum(1, keepdims=True)


@pytest.fixture
def gate(weight, inputs):
    """Sigmoid of the scores."""
    return 1 / (1 + np.exp(-inputs @ weight.T))


def diagonal_of(weight, inputs, end, loss=None):
    """Of a matrix product and a final activation, with the recipe of a loss."""
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("Gemm", ["x", "w"], ["z"], "fc", transB=1),
         helper.make_node(end, ["z"], ["y"], "end")],
        "one",
        [value("x", TensorProto.FLOAT, ["N", 5])],
        [value("y", TensorProto.FLOAT, ["N", 4])],
        [numpy_helper.from_array(weight, "w")],
    )  # fmt: skip
    opset = [helper.make_opsetid("", 17)]
    network = prunus.load(onnx.helper.make_model(graph, opset_imports=opset, ir_version=9))
    if loss is not None:
        recipe = Recipe(losses=(Loss(loss, ("y",)),))
        network = attrs.evolve(network, task=attrs.evolve(network.task, recipe=recipe))
    return diagonal(network, "w", {"x": inputs}, 0)


def mean(second, inputs):
    """Mean over samples of ``second`` (N, 4), of each score, times the squared inputs."""
    return pytest.approx(second.T @ inputs**2 / len(inputs), rel=1e-4)


@pytest.mark.parametrize(
    ("end", "loss"),
    [
        ("Softmax", None),
        ("Softmax", "softmax_cross_entropy"),
        ("Identity", "softmax_cross_entropy"),
    ],
)
def test_classes(weight, inputs, chance, end, loss):
    # cross-entropy of W x: d2/dw_ij2 = x_j^2 p_i (1 - p_i), whatever the label
    assert diagonal_of(weight, inputs, end, loss) == mean(chance * (1 - chance), inputs)


@pytest.mark.parametrize(
    ("end", "loss"), [("Sigmoid", None), ("Identity", "sigmoid_cross_entropy")]
)
def test_yes_or_no(weight, inputs, gate, end, loss):
    assert diagonal_of(weight, inputs, end, loss) == mean(gate * (1 - gate), inputs)


@pytest.mark.parametrize("loss", [None, "euclidean"])
def test_squared_error_of_scores(weight, inputs, loss):
    found = diagonal_of(weight, inputs, "Identity", loss)
    assert found == mean(np.ones((len(inputs), 4)), inputs)


def test_squared_error_behind_a_sigmoid(weight, inputs, gate):
    found = diagonal_of(weight, inputs, "Sigmoid", "euclidean")
    assert found == mean((gate * (1 - gate)) ** 2, inputs)


def test_squared_error_behind_a_softmax(weight, inputs, chance):
    # sum over c of (dp_c/dz_i)^2, with dp_c/dz_i = p_i ([c = i] - p_c)
    slopes = chance[:, None, :] * (np.eye(4)[None] - chance[:, :, None])
    found = diagonal_of(weight, inputs, "Softmax", "euclidean")
    assert found == mean((slopes**2).sum(1), inputs)
