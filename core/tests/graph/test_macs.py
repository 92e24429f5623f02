from __future__ import annotations

import numpy as np
import pytest

from prunus.compaction import compact
from prunus.graph.macs import convolution_operations, cost_model, layer_macs
from prunus.graph.shapes import infer_shapes
from prunus.grouping import find_groups
from prunus.network import Network
from prunus.selection import choose_units
from prunus.testing.nets import as_network
from prunus.testing.nets.builder import Builder
from prunus.testing.nets.mobile import mobilenet_v2, shufflenet_v1
from prunus.testing.nets.residual import densenet, resnext, se_gemm


def macs(model):
    return layer_macs(model, infer_shapes(model))


def test_lenet_by_hand(lenet):
    assert macs(lenet.model) == {
        "conv1": 10 * 10 * 8 * 1 * 9,
        "conv2": 4 * 4 * 12 * 8 * 4,
        "ip1": 192 * 20,
        "ip2": 20 * 4,
    }


def test_convolutions_of_every_kind():
    b = Builder(0)
    x = b.input(4, 8)
    y = b.conv(x, 6, 3, 2, name="strided")
    y = b.conv(y, 8, 3, group=2, name="grouped")
    y = b.depthwise(y, name="depthwise")
    y = b.deconv(y, 5, name="transposed")
    assert macs(b.model(y)) == {
        "strided": 16 * 6 * 4 * 9,
        "grouped": 16 * 8 * 3 * 9,
        "depthwise": 16 * 8 * 1 * 9,
        "transposed": 16 * 8 * 5 * b_kernel(y),
    }


def b_kernel(value):
    node = value.producer()
    return int(np.prod(node.inputs[1].const_value.shape.numpy()[2:]))


def products(build, second, sizes):
    return build(
        [("MatMul", ["x", second], ["y"], {})],
        {"w": np.ones((5, 7), np.float32)},
        {"x": sizes[0], **({} if second == "w" else {second: sizes[1]})},
        {"y": sizes[2]},
    ).model


def test_products_of_matrices(build):
    rows = products(build, "w", ((3, 5), None, (3, 7)))
    assert macs(rows) == {"y": 3 * 5 * 7}
    heads = products(build, "z", ((2, 3, 5), (2, 5, 4), (2, 3, 4)))  # two heads
    assert macs(heads) == {"y": 2 * 3 * 5 * 4}


def test_what_has_no_size_counts_nothing(build):
    network = build(
        [("NonZero", ["x"], ["found"], {}), ("Cast", ["found"], ["f"], {"to": 1}), ("MatMul", ["w", "f"], ["y"], {})],
        {"w": np.ones((2, 2), np.float32)},
        {"x": (4,)},
        {"y": (2,)},
    )  # fmt: skip
    assert macs(network.model) == {}


def test_convolution_operations_by_hand(lenet):
    """Two a MAC and one for every output, of convolutions alone."""
    shapes = infer_shapes(lenet.model)
    assert convolution_operations(lenet.model, shapes) == 100 * 8 * (2 * 9 + 1) + 16 * 12 * (
        2 * 32 + 1
    )


@pytest.mark.parametrize("make", [mobilenet_v2, shufflenet_v1, resnext, densenet, se_gemm])
def test_costs_of_a_plan_are_those_of_the_compact_network(make, draw):
    network = as_network(make(0))
    grouping = find_groups(network)
    cost = cost_model(network.model, grouping)
    assert cost.total == sum(macs(network.model).values())
    keep = {g.name: choose_units(g, draw.random(g.size), g.size // 2) for g in grouping.groups}
    smaller = compact(network, grouping, keep).model
    assert cost.macs(cost.kept(keep)) == pytest.approx(sum(macs(smaller).values()))
    layers = dict(zip(cost.layers, cost.layer_macs(cost.kept(keep)), strict=True))
    assert layers == pytest.approx(macs(smaller))


def test_many_plans_at_once_and_the_gradient(lenet, draw):
    cost = cost_model(lenet.model, find_groups(lenet))
    plans = draw.integers(1, cost.sizes + 1, (9, len(cost.sizes)))
    assert np.allclose(cost.macs_of(plans), [cost.macs(plan) for plan in plans])
    for group in range(len(cost.sizes)):
        step = np.eye(len(cost.sizes), dtype=np.int64)[group]
        # every layer is linear in one group alone
        exact = cost.macs(plans[0] + step) - cost.macs(plans[0])
        assert cost.gradient(plans[0])[group] == pytest.approx(exact)


def test_counts_of_a_plan(lenet):
    grouping = find_groups(lenet)
    keep = {"conv2": np.arange(12) < 5}
    assert cost_model(lenet.model, grouping).kept(keep).tolist() == [8, 5, 20]


def test_a_network_without_groups(build):
    network: Network = build(
        [("Gemm", ["x", "y/weight"], ["y"], {})],
        {"y/weight": np.ones((5, 7), np.float32)},
        {"x": (5,)},
        {"y": (7,)},
    )
    cost = cost_model(network.model, find_groups(network))
    assert cost.total == 35
    assert cost.kept({}).tolist() == []
