"""Criterion obs against removals solved one by one."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import prunus
from prunus.errors import DataError
from prunus.granularity import granularity_of
from prunus.grouping.weights import find_weights
from prunus.methods import obs

DAMPING = 0.01


@pytest.fixture
def weight(draw):
    return draw.standard_normal((3, 6)).astype(np.float32)


@pytest.fixture
def network(weight):
    return one_product(weight)


def one_product(weight):
    """Inputs times the transposed weight."""
    outputs, inputs = weight.shape
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("Gemm", ["x", "w"], ["y"], "fc", transB=1)],
        "one",
        [value("x", TensorProto.FLOAT, ["N", inputs])],
        [value("y", TensorProto.FLOAT, ["N", outputs])],
        [numpy_helper.from_array(weight, "w")],
    )
    opset = [helper.make_opsetid("", 17)]
    return prunus.load(onnx.helper.make_model(graph, opset_imports=opset, ir_version=9))


@pytest.fixture
def inputs(draw):
    mixed = draw.standard_normal((6, 6))
    return (draw.standard_normal((200, 6)) @ mixed).astype(np.float32)


def least_error(row, hessian, gone):
    """Half the squared change of the output where some weights are zero and the others best."""
    left = [index for index in range(len(row)) if index not in gone]
    change = np.zeros(len(row))
    change[gone] = -row[gone]
    if left:
        target = hessian[np.ix_(left, gone)] @ change[gone]
        change[left] = -np.linalg.solve(hessian[np.ix_(left, left)], target)
    return 0.5 * change @ hessian @ change


def test_scores_are_the_errors_of_removals_one_after_the_other(network, weight, inputs):
    (group,) = find_weights(network, granularity_of("weight")).groups
    scores = obs.prunus_rank("obs", network, group, {"x": inputs}, 0).reshape(3, 6)
    exact = inputs.astype(np.float64)
    hessian = exact.T @ exact / len(exact)
    hessian[np.diag_indices(6)] += DAMPING * np.diag(hessian).mean()
    for row, found in zip(weight.astype(np.float64), scores, strict=True):
        gone, total, worst = [], 0.0, 0.0
        for _ in range(6):
            prices = {
                index: least_error(row, hessian, [*gone, index]) - total
                for index in range(6)
                if index not in gone
            }
            index = min(prices, key=prices.get)
            worst = max(worst, prices[index])
            assert found[index] == pytest.approx(worst, rel=1e-6)
            total += prices[index]
            gone.append(index)


def naive(row, hessian):
    """Scores of a row; the inverse of the weights that are left is computed anew each time."""
    left, scores, worst = list(range(len(row))), np.zeros(len(row)), 0.0
    row = row.copy()
    while left:
        inverse = np.linalg.inv(hessian[np.ix_(left, left)])
        prices = row[left] ** 2 / (2 * np.diag(inverse))
        turn = int(prices.argmin())
        worst = max(worst, float(prices[turn]))
        scores[left[turn]] = worst
        row[left] -= inverse[turn] * (row[left[turn]] / inverse[turn, turn])
        del left[turn]
    return scores


def test_blocks_of_removals_are_removals_one_after_the_other(draw):
    # more inputs than two blocks, more rows than are removed from at once
    weight = draw.standard_normal((19, 150)).astype(np.float32)
    inputs = (draw.standard_normal((400, 150)) @ draw.standard_normal((150, 150))).astype("f4")
    network = one_product(weight)
    (group,) = find_weights(network, granularity_of("weight")).groups
    scores = obs.prunus_rank("obs", network, group, {"x": inputs}, 0).reshape(19, 150)
    exact = inputs.astype(np.float64)
    hessian = exact.T @ exact / len(exact)
    hessian[np.diag_indices(150)] += DAMPING * np.diag(hessian).mean()
    for row, found in zip(weight.astype(np.float64), scores, strict=True):
        assert found == pytest.approx(naive(row, hessian), rel=1e-8)


def test_it_asks_for_samples(network):
    with pytest.raises(DataError) as caught:
        prunus.plan(network, rate=0.5, granularity="weight", criterion="obs")
    assert str(caught.value) == "criterion 'obs' needs samples; give --data"


def test_weights_that_are_left_make_good(network, weight, inputs):
    plan = prunus.plan(network, granularity="1:2", criterion="obs", data=inputs)
    wanted = inputs @ weight.T

    def distance(masked):
        return float(np.square(inputs @ masked.network.weights()["w"].T - wanted).mean())

    plain, fitted = prunus.prune(network, plan), prunus.prune(network, plan, data=inputs)
    kept = fitted.network.weights()["w"] != 0
    assert (kept.reshape(3, 3, 2).sum(2) == 1).all()
    assert distance(fitted) < 0.7 * distance(plain)


def test_a_copy_of_an_input_takes_over(draw, network):
    one = draw.standard_normal((300, 3)).astype(np.float32)
    inputs = np.repeat(one, 2, axis=1)  # each input twice: half of the weights are not needed
    plan = prunus.plan(network, granularity="1:2", data=inputs)
    fitted = prunus.prune(network, plan, data=inputs).network.weights()["w"]
    old = network.weights()["w"]
    assert np.abs(inputs @ fitted.T - inputs @ old.T).max() < 0.02 * np.abs(inputs @ old.T).max()
