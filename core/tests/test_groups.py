from __future__ import annotations

import numpy as np
import pytest

from prunus.grouping import find_groups
from prunus.groups import Group, Member
from prunus.testing.nets import as_network
from prunus.testing.nets.builder import Builder


@pytest.fixture
def network(build):
    weights = {"a/weight": np.arange(6 * 4, dtype=np.float32).reshape(6, 4, 1, 1)}
    return build(
        [("Conv", ["x", "a/weight"], ["a"], {})], weights, {"x": (4, 2, 2)}, {"a": (6, 2, 2)}
    )


def test_slices_of_one_axis(network):
    filters = Member("a/weight", "filter", (0,), np.array([[0], [2], [5]]))
    assert filters.slices(network).tolist() == [[0, 1, 2, 3], [8, 9, 10, 11], [20, 21, 22, 23]]
    inputs = Member("a/weight", "input", (1,), np.array([[3], [0]]))
    assert inputs.slices(network).tolist() == [[3, 7, 11, 15, 19, 23], [0, 4, 8, 12, 16, 20]]
    assert inputs.slices(network).dtype == np.float64


def test_a_unit_may_own_several_places(network):
    pairs = Member("a/weight", "filter", (0,), np.array([[0, 3], [1, 4]]))
    assert pairs.slices(network).tolist() == [
        [0, 1, 2, 3, 12, 13, 14, 15], [4, 5, 6, 7, 16, 17, 18, 19]
    ]  # fmt: skip


def test_two_axes_are_one_row_of_places(network):
    grouped = Member("a/weight", "input", (0, 1), np.array([[0, 5], [23, 1]]))
    assert grouped.slices(network).tolist() == [[0, 5], [23, 1]]


def test_places_of_a_grouped_reader():
    """Unit c of a group is read by the filters of its own conv group only."""
    b = Builder(0)
    x = b.conv(b.input(1, 4), 4, name="first")
    network = as_network(b.model(b.conv(x, 6, group=2, name="second")))
    (group,) = [g for g in find_groups(network).groups if g.name == "first"]
    (consumer,) = [m for m in group.members if m.role == "input"]
    weight = network.weights()["second/weight"]  # (6, 2, 3, 3)
    assert consumer.axes == (0, 1)
    for unit in range(4):
        rows, column = slice(0, 3) if unit < 2 else slice(3, 6), unit % 2
        assert np.array_equal(consumer.slices(network)[unit], weight[rows, column].ravel())


def test_the_size_is_that_of_the_members():
    assert Group("g", ("g",), (Member("w", "filter", (0,), np.zeros((5, 2), int)),)).size == 5
