from __future__ import annotations

import attrs
import numpy as np
import pytest

from prunus.compaction import compact
from prunus.graph.macs import cost_model, layer_macs
from prunus.graph.shapes import infer_shapes
from prunus.grouping import find_groups
from prunus.grouping.explain import explain
from prunus.masking import mask, masked_units
from prunus.proof import compare
from prunus.prunable import prunable
from prunus.testing.nets import NETS, as_network, attention
from prunus.testing.nets.builder import Builder


def of(parts, heads=3, width=12, **how):
    """A network of one attention."""
    b = Builder(0)
    x = attention.patches(b, b.input(3, 8), width)
    x = b.add(x, attention.attention(b, attention.layer_norm(b, x), heads, parts, **how))
    return as_network(b.model(attention.classifier(b, attention.layer_norm(b, x))))


def sizes(grouping):
    return [(group.unit, group.size) for group in grouping.groups]


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("separate", [("channel", 12), ("channel", 12), ("head", 3)]),
        ("chunked", [("channel", 12), ("channel", 12), ("head", 3)]),
        ("interleaved", [("channel", 12), ("channel", 12), ("head", 3)]),
        ("unbound", [("channel", 12), ("head", 3)]),  # one size for all three
        ("turned", [("channel", 2), ("channel", 12), ("head", 3)]),  # pairs, of all heads
    ],
)
def test_every_way_to_make_queries_keys_and_values(name, wanted):
    assert sizes(find_groups(of(attention.PARTS[name]))) == wanted


def test_one_head_is_none():
    assert sizes(find_groups(of(attention.separate, 1))) == [("channel", 12), ("channel", 12)]


def test_a_head_holds_its_part_of_every_weight():
    network = of(attention.separate, biased=True)
    group = find_groups(network).groups[-1]
    assert group.name == "linear1+linear2+linear3 heads"
    found = {member.initializer: member.positions.tolist() for member in group.members}
    own = np.arange(12).reshape(3, 4).tolist()
    assert found == {
        **{f"linear{n}/{role}": own for n in (1, 2, 3) for role in ("weight", "bias")},
        "linear4/weight": own,
        "biased1/shift": [[0], [1], [2]],
    }


def test_heads_and_their_width_go_together():
    network = of(attention.separate)
    grouping = find_groups(network)
    queries, values, heads = grouping.groups
    keep = {
        heads.name: np.array([True, False, True]),
        queries.name: np.arange(12) % 4 != 0,
        values.name: np.arange(12) % 2 == 0,
    }
    masked = mask(network, grouping, keep)
    smaller = compact(masked, grouping, keep)
    shapes = {name: value.shape for name, value in smaller.model.graph.initializers.items()}
    assert list(shapes["linear1/weight"]) == list(shapes["linear2/weight"]) == [12, 6]
    assert list(shapes["linear3/weight"]) == [12, 4]
    assert list(shapes["linear4/weight"]) == [4, 12]
    assert compare(masked.model, smaller.model).error <= 1e-5
    cost = cost_model(network.model, grouping)
    counted = layer_macs(smaller.model, infer_shapes(smaller.model))
    assert sum(counted.values()) == cost.macs(cost.kept(keep))


def test_the_mask_of_a_head_is_read_back():
    """Which places of a dead head stay, nothing tells; what the network loses, it does."""
    network = as_network(NETS["bert"](0))
    grouping = find_groups(network)
    keep = {group.name: np.arange(group.size) % 2 == 0 for group in grouping.groups}
    found = masked_units(mask(network, grouping, keep), grouping)
    assert np.array_equal(grouping.kept_channel_ids(found), grouping.kept_channel_ids(keep))
    for group in grouping.groups:
        assert found[group.name].sum() == keep[group.name].sum()


def test_the_width_alone_can_be_held():
    """Of queries and keys; that of values is another group."""
    network = of(attention.separate)
    (query,) = (node for node in network.model.graph if node.name == "linear1")
    held = {query.outputs[0].name: "divided by its root"}
    narrow = find_groups(attrs.evolve(network, frozen_width=held))
    assert sizes(narrow) == [("channel", 12), ("head", 3)]
    assert "divided by its root" not in {entry.reason for entry in narrow.protected}
    whole = find_groups(attrs.evolve(network, frozen=held))
    assert sizes(whole) == [("channel", 12)]
    assert "divided by its root" in {entry.reason for entry in whole.protected}


def test_excluded_layers_keep_their_heads():
    """A head of the value is one of queries and keys too."""
    assert sizes(prunable(of(attention.separate), ("linear3",)).grouping) == [("channel", 12)]


def test_the_scale_stays_that_of_the_whole_head():
    network = of(attention.separate)
    grouping = find_groups(network)
    keep = {grouping.groups[0].name: np.arange(12) % 2 == 0}
    smaller = compact(mask(network, grouping, keep), grouping, keep)
    assert smaller.model.graph.initializers["scale1"].const_value.numpy() == np.float32(0.5)


def test_channels_that_are_not_zero_once_removed_stay_in_a_sum():
    """A sigmoid of nothing is a half: the product of two halves would be missing."""

    def halves(b, x, heads):
        query, key, value = attention.separate(b, x, heads)
        return b.act(query, "Sigmoid"), b.act(key, "Sigmoid"), value

    grouping = find_groups(of(halves))
    assert sizes(grouping) == [("channel", 12), ("head", 3)]
    reasons = {one.layer: one.reason for one in grouping.protected}
    assert reasons["linear1"] == "still counts in the product 'product1' once removed"


def test_one_zero_of_two_is_enough():
    def half(b, x, heads):
        query, key, value = attention.separate(b, x, heads)
        return b.act(query, "Sigmoid"), key, value

    network = of(half)
    grouping = find_groups(network)
    assert sizes(grouping) == [("channel", 12), ("channel", 12), ("head", 3)]
    keep = {grouping.groups[0].name: np.arange(12) % 2 == 0}
    masked = mask(network, grouping, keep)
    assert compare(masked.model, compact(masked, grouping, keep).model).error <= 1e-5


def test_heads_are_explained():
    subject = prunable(of(attention.separate))
    found = explain(subject, "linear3")
    assert [(one.reason, one.state, one.channels) for one in found] == [
        ("linear3", "free", 12),
        ("linear1+linear2+linear3 heads", "tied", 3),
    ]
