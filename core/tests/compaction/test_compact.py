from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from prunus.compaction import compact, identity
from prunus.compaction.compact import take
from prunus.grouping import find_groups
from prunus.selection import choose_units
from prunus.testing.nets import as_network
from prunus.testing.nets.builder import Builder


def half(grouping, draw):
    return {g.name: choose_units(g, draw.random(g.size), g.size // 2) for g in grouping.groups}


def shapes(model):
    return {
        name: tuple(value.const_value.shape.numpy())
        for name, value in model.graph.initializers.items()
    }


def test_kept_places_of_one_axis_and_of_two():
    array = np.arange(12).reshape(4, 3)
    assert take(array, {0: np.array([3, 1])}).tolist() == [[9, 10, 11], [3, 4, 5]]
    assert take(array, {1: np.array([2]), 0: np.array([0, 1])}).tolist() == [[2], [5]]
    # two groups of two filters keep different inputs
    assert take(array, {1: np.array([[0, 2], [1, 2]])}).tolist() == [
        [0, 2],
        [3, 5],
        [7, 8],
        [10, 11],
    ]


def test_every_array_shrinks_where_its_channels_went(lenet):
    grouping = find_groups(lenet)
    kept = {"conv1": [0, 3, 5], "conv2": [1, 2], "ip1": [7]}
    keep = {
        name: np.isin(np.arange(grouping.group(name).size), places) for name, places in kept.items()
    }
    smaller = compact(lenet, grouping, keep)
    assert shapes(smaller.model) == {
        "conv1/weight": (3, 1, 3, 3), "conv1/bias": (3,), "conv2/weight": (2, 3, 2, 2),
        "conv2/bias": (2,), "ip1/weight": (1, 32), "ip1/bias": (1,), "ip2/weight": (4, 1),
        "ip2/bias": (4,),
    }  # fmt: skip
    found = {name: {axis: index.tolist() for axis, index in axes.items()} for name, axes in smaller.kept.items()}  # fmt: skip
    assert found["conv2/weight"] == {0: [1, 2], 1: [0, 3, 5]}
    assert found["ip1/weight"] == {0: [7], 1: [*range(16, 48)]}  # 16 places a channel
    assert found["pool1"] == {1: [0, 3, 5]}
    assert found["flat"] == {1: [*range(16, 48)]}
    assert "ip2" not in found
    assert "ip2/bias" not in found
    weights = lenet.weights()["conv2/weight"]
    own = smaller.model.graph.initializers["conv2/weight"].const_value.numpy()
    assert np.array_equal(own, weights[np.ix_([1, 2], [0, 3, 5])])


def test_nothing_removed_is_nothing_changed(lenet):
    smaller = compact(lenet, find_groups(lenet), {})
    assert smaller.kept == {}
    assert shapes(smaller.model) == shapes(lenet.model)
    assert identity(lenet).model is lenet.model


def node(model, name):
    return next(found for found in model.graph if found.name == name)


def operand(model, name, index=1):
    return node(model, name).inputs[index].const_value.numpy().tolist()


def test_depthwise_convolutions_have_as_many_groups_as_channels(draw):
    b = Builder(0)
    x = b.depthwise(b.conv(b.input(), 8), name="deep")
    network = as_network(b.model(b.conv(b.conv(x, 8, group=2, name="grouped"), 3)))
    grouping = find_groups(network)
    smaller = compact(network, grouping, half(grouping, draw)).model
    assert node(smaller, "deep").attributes["group"].as_int() == 4
    assert node(smaller, "grouped").attributes["group"].as_int() == 2


def test_sizes_and_places_in_operands_follow(draw):
    b = Builder(0)
    first, second = b.split(b.conv(b.input(), 10), 4, 6)
    x = b.reshape(b.concat(second, first), 10 * 16 * 16)
    network = as_network(b.model(b.gemm(x, 3)))
    grouping = find_groups(network)
    (group,) = grouping.groups
    keep = {group.name: np.arange(10) % 5 > 1}  # 2 of 4 and 4 of 6
    smaller = compact(network, grouping, keep).model
    names = {found.op_type: found.name for found in smaller.graph}
    assert operand(smaller, names["Split"]) == [2, 4]
    assert operand(smaller, names["Reshape"]) == [0, 6 * 256]
    assert operand(network.model, names["Split"]) == [4, 6]


@pytest.mark.parametrize(("start", "end", "wanted"), [(2, 6, [1, 3]), (-4, 2**62, [3, 4])])
def test_slices_are_counted_in_kept_channels(build, start, end, wanted):
    """Channels 1, 2, 3 and 7 of 8 stay."""
    nodes = [
        ("Conv", ["x", "c/weight"], ["c"], {}),
        ("Slice", ["c", "s", "e", "a"], ["part"], {}),
        ("Conv", ["part", "d/weight"], ["d"], {}),
        ("Conv", ["c", "f/weight"], ["f"], {}),
        ("Add", ["d", "f"], ["y"], {}),
    ]
    weights = {
        "c/weight": np.ones((8, 1, 1, 1), np.float32),
        "d/weight": np.ones((2, 4, 1, 1), np.float32),
        "f/weight": np.ones((2, 8, 1, 1), np.float32),
        **{n: np.array([v], np.int64) for n, v in (("s", start), ("e", end), ("a", 1))},
    }
    network = build(nodes, weights, {"x": (1, 2, 2)}, {"y": (2, 2, 2)})
    grouping = find_groups(network)
    # what the slice takes is another kind of unit than what it leaves
    keep = {
        name: np.isin(units, grouping.labelling.values["c"].ravel()[[1, 2, 3, 7]])
        for name, units in grouping.units.items()
    }
    smaller = compact(network, grouping, keep).model
    assert [operand(smaller, "part", index)[0] for index in (1, 2)] == wanted


def test_numbers_that_are_not_finite_shrink_with_the_others(lenet):
    """Not a number equals nothing, not even itself: an array with one is not a changed one."""
    bias = lenet.model.graph.initializers["conv1/bias"]
    bias.const_value = ir.Tensor(np.full(bias.const_value.shape.numpy(), np.nan, np.float32))
    grouping = find_groups(lenet)
    keep = {"conv1": np.arange(grouping.group("conv1").size) < 3}
    assert shapes(compact(lenet, grouping, keep).model)["conv1/bias"] == (3,)
