from __future__ import annotations

import attrs
import numpy as np
import pytest

from prunus.grouping import find_groups
from prunus.selection import feasible_counts
from prunus.testing.nets import as_network
from prunus.testing.nets.builder import Builder


def names(grouping):
    return [group.name for group in grouping.groups]


def reasons(grouping):
    return {(p.layer, p.channels, p.reason) for p in grouping.protected}


def test_chain_has_one_group_a_layer_and_protects_the_output(lenet):
    grouping = find_groups(lenet)
    assert names(grouping) == ["conv1", "conv2", "ip1"]
    assert [group.size for group in grouping.groups] == [8, 12, 20]
    assert reasons(grouping) == {("ip2", 4, "graph output")}


def test_flatten_gives_a_unit_all_its_positions(lenet):
    group = find_groups(lenet).group("conv2")
    consumer = next(m for m in group.members if m.initializer == "ip1/weight")
    assert consumer.role == "input"
    assert consumer.positions.shape == (12, 16)
    assert consumer.positions[3].tolist() == list(range(48, 64))
    assert consumer.slices(lenet).shape == (12, 16 * 20)


def test_excluded_layer_is_protected_with_that_reason(lenet):
    grouping = find_groups(lenet, exclude=("conv2",))
    assert names(grouping) == ["conv1", "ip1"]
    assert ("conv2", 12, "excluded") in reasons(grouping)


def test_addition_ties_its_operands(build, draw):
    weight = draw.standard_normal((6, 3, 1, 1)).astype(np.float32)
    network = build(
        [
            ("Conv", ["x", "a/weight"], ["a"], {}),
            ("Conv", ["x", "b/weight"], ["b"], {}),
            ("Add", ["a", "b"], ["sum"], {}),
            ("Conv", ["sum", "c/weight"], ["c"], {}),
        ],
        {
            "a/weight": weight,
            "b/weight": weight,
            "c/weight": draw.standard_normal((2, 6, 1, 1)).astype(np.float32),
        },
        {"x": (3, 4, 4)},
        {"c": (2, 4, 4)},
    )
    assert names(find_groups(network)) == ["a+b"]


def test_unknown_operator_blocks_with_a_reason(build, draw):
    network = build(
        [
            ("Conv", ["x", "a/weight"], ["a"], {}),
            ("CumSum", ["a", "axis"], ["odd"], {}),
            ("Conv", ["odd", "b/weight"], ["b"], {}),
        ],
        {
            "a/weight": draw.standard_normal((4, 3, 1, 1)).astype(np.float32),
            "axis": np.array(1, np.int64),
            "b/weight": draw.standard_normal((4, 4, 1, 1)).astype(np.float32),
        },
        {"x": (3, 4, 4)},
        {"b": (4, 4, 4)},
    )
    grouping = find_groups(network)
    assert grouping.groups == ()
    assert ("a", 4, "feeds 'odd' of unknown type 'CumSum'") in reasons(grouping)


def test_softmax_over_channels_freezes(build, draw):
    network = build(
        [
            ("Conv", ["x", "a/weight"], ["a"], {}),
            ("Softmax", ["a"], ["soft"], {"axis": 1}),
            ("Conv", ["soft", "b/weight"], ["b"], {}),
        ],
        {
            "a/weight": draw.standard_normal((4, 3, 1, 1)).astype(np.float32),
            "b/weight": draw.standard_normal((4, 4, 1, 1)).astype(np.float32),
        },
        {"x": (3, 4, 4)},
        {"b": (4, 4, 4)},
    )
    assert ("a", 4, "'soft' (Softmax) mixes its channels") in reasons(find_groups(network))


def test_one_unit_says_who_ties_its_channels(build, draw):
    """Group normalisation over one group, as exporters write it."""
    network = build(
        [
            ("Conv", ["x", "a/weight"], ["a"], {}),
            ("Reshape", ["a", "rows"], ["r"], {}),
            ("InstanceNormalization", ["r", "n/scale", "n/shift"], ["n"], {}),
            ("Reshape", ["n", "maps"], ["m"], {}),
            ("Conv", ["m", "b/weight"], ["b"], {}),
        ],
        {
            "a/weight": draw.standard_normal((4, 3, 1, 1)).astype(np.float32),
            "b/weight": draw.standard_normal((4, 4, 1, 1)).astype(np.float32),
            "rows": np.array([0, 1, 64]),
            "maps": np.array([0, 4, 4, 4]),
            "n/scale": np.ones(1, np.float32),
            "n/shift": np.zeros(1, np.float32),
        },
        {"x": (3, 4, 4)},
        {"b": (4, 4, 4)},
    )
    assert ("a", 4, "all its channels tied at 'n'") in reasons(find_groups(network))


@pytest.mark.parametrize(("groups", "rows"), [(2, 2), (4, 4)])
def test_grouped_convolution_loses_equally(build, draw, groups, rows):
    network = build(
        [
            ("Conv", ["x", "a/weight"], ["a"], {}),
            ("Conv", ["a", "b/weight"], ["b"], {"group": groups}),
            ("Conv", ["b", "c/weight"], ["c"], {}),
        ],
        {
            "a/weight": draw.standard_normal((8, 3, 1, 1)).astype(np.float32),
            "b/weight": draw.standard_normal((8, 8 // groups, 1, 1)).astype(np.float32),
            "c/weight": draw.standard_normal((2, 8, 1, 1)).astype(np.float32),
        },
        {"x": (3, 4, 4)},
        {"c": (2, 4, 4)},
    )
    first, second = find_groups(network).groups
    assert first.rows[0].shape == (rows, 8)
    assert (first.rows[0].sum(1) == 8 // groups).all()
    assert second.rows[0].shape == (rows, 8)


def normalised(groups, convolution_groups):
    """Two convolutions, group normalisation between them."""
    b = Builder(0)
    x = b.group_norm(b.conv(b.input(3, 8), 16, name="a"), groups)
    x = b.group_norm(b.conv(x, 16, group=convolution_groups, name="b"), groups)
    return find_groups(as_network(b.model(b.conv(x, 4, 1, name="c"))))


def test_normalisation_groups_go_whole():
    grouping = normalised(8, 1)
    assert names(grouping) == ["a", "b"]
    for group in grouping.groups:
        assert group.members[0].positions.tolist() == np.arange(16).reshape(8, 2).tolist()
        assert feasible_counts(group).tolist() == list(range(8, 0, -1))


def test_normalisation_groups_lie_in_the_rows_of_a_grouped_convolution():
    for group in normalised(8, 4).groups:
        assert feasible_counts(group).tolist() == [8, 4]


def test_a_convolution_that_needs_every_normalisation_group_protects_them():
    grouping = normalised(4, 4)
    assert names(grouping) == []
    held = "'b' takes no smaller number of channels"
    assert reasons(grouping) == {("a", 16, held), ("b", 16, held), ("c", 4, "graph output")}


@pytest.mark.parametrize(("of", "counts"), [(4, [12, 8, 4]), (6, [12, 6]), (5, [12, 7, 2])])
def test_a_format_may_ask_for_whole_multiples(lenet, of, counts):
    grouping = find_groups(attrs.evolve(lenet, multiples={"conv2": of}))
    assert feasible_counts(grouping.group("conv2")).tolist() == counts
    assert feasible_counts(grouping.group("conv1")).tolist() == list(range(8, 0, -1))


def test_a_multiple_as_large_as_the_layer_protects_it(lenet):
    grouping = find_groups(attrs.evolve(lenet, multiples={"conv2": 12}))
    assert ("conv2", 12, "only multiples of 12 of its channels could go") in reasons(grouping)


def test_lrn_makes_its_group_inexact(build, draw):
    network = build(
        [
            ("Conv", ["x", "a/weight"], ["a"], {}),
            ("LRN", ["a"], ["norm"], {"size": 3}),
            ("Conv", ["norm", "b/weight"], ["b"], {}),
        ],
        {
            "a/weight": draw.standard_normal((4, 3, 1, 1)).astype(np.float32),
            "b/weight": draw.standard_normal((4, 4, 1, 1)).astype(np.float32),
        },
        {"x": (3, 4, 4)},
        {"b": (4, 4, 4)},
    )
    assert [group.exact for group in find_groups(network).groups] == [False]
