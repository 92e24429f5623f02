from __future__ import annotations

import numpy as np
import pytest

from prunus.analysis.differences import direct_consumers
from prunus.analysis.suffix import consumers, cut_behind, insert_masks, keep_tensor
from prunus.evaluation.random_inputs import random_inputs
from prunus.evaluation.session import Session
from prunus.grouping import find_groups
from prunus.masking import mask
from prunus.testing.nets import as_network
from prunus.testing.nets.builder import Builder


def inputs_of(model):
    return sorted(value.name for value in model.graph.inputs)


def test_who_reads_a_group(lenet):
    grouping = find_groups(lenet)
    found = {group.name: consumers(grouping, group) for group in grouping.groups}
    assert found == {"conv1": ["conv2"], "conv2": ["ip1"], "ip1": ["ip2"]}


def test_only_what_depends_on_the_group_is_left(lenet):
    grouping = find_groups(lenet)
    suffix = cut_behind(lenet.model, grouping, grouping.group("conv2"))
    assert suffix.masked == ("flat",)
    assert suffix.boundary == ("flat",)
    assert suffix.outputs == ("ip2",)
    assert inputs_of(suffix.model) == ["flat", "mask:flat", "offset:flat"]
    assert sorted(suffix.model.graph.initializers) == [
        "ip1/bias", "ip1/weight", "ip2/bias", "ip2/weight"
    ]  # fmt: skip


def test_direct_consumers_are_given_from_outside(lenet):
    grouping = find_groups(lenet)
    suffix = cut_behind(lenet.model, grouping, grouping.group("conv2"), frozenset({"ip1"}))
    assert (suffix.masked, suffix.boundary, suffix.given) == ((), (), ("ip1",))
    assert inputs_of(suffix.model) == ["given:ip1"]
    assert sorted(suffix.model.graph.initializers) == ["ip2/bias", "ip2/weight"]


def test_the_last_reader_is_the_output_itself(lenet):
    grouping = find_groups(lenet)
    suffix = cut_behind(lenet.model, grouping, grouping.group("ip1"), frozenset({"ip2"}))
    given = np.arange(8, dtype=np.float32).reshape(2, 4)
    assert np.array_equal(Session(suffix.model).run({"given:ip2": given})["ip2"], given)


def test_zero_masks_without_offsets_are_masked_weights(lenet):
    grouping = find_groups(lenet)
    group = grouping.group("conv1")
    keep = np.arange(8) % 3 > 0
    changed, masked, zeroed = insert_masks(lenet.model, grouping, group)
    assert (masked, zeroed) == (("pool1",), ())
    feed = random_inputs(lenet.model, 2, 0)
    tensor = keep_tensor(grouping, group, "pool1", keep)
    assert tensor.ravel().tolist() == keep.astype(float).tolist()
    found = Session(changed).run(
        {**feed, "mask:pool1": tensor, "offset:pool1": np.zeros_like(tensor)}
    )["ip2"]
    wanted = Session(mask(lenet, grouping, {"conv1": keep}).model).run(feed)["ip2"]
    assert np.allclose(found, wanted, atol=1e-6)


def test_readers_behind_readers_are_not_direct():
    """The sum is read twice; the second reading depends on the first."""
    b = Builder(0)
    x = b.conv(b.input(), 6, name="first")
    x = b.add(x, b.conv(b.act(x), 6, name="second"))
    network = as_network(b.model(b.conv(x, 2, name="third")))
    grouping = find_groups(network)
    (group,) = grouping.groups
    assert consumers(grouping, group) == ["second", "third"]
    trials = [(0.5, np.arange(6) > 2)]
    assert [r.node for r in direct_consumers(network.model, grouping, group, trials)] == ["second"]


@pytest.mark.parametrize("group", [1, 2])
def test_grouped_readers_and_trials_that_are_not_nested_are_masked(group):
    b = Builder(0)
    network = as_network(b.model(b.conv(b.conv(b.input(), 6, name="first"), 4, group=group, name="second")))  # fmt: skip
    grouping = find_groups(network)
    own = grouping.group("first")
    nested = [(0.3, np.arange(6) > 1), (0.6, np.arange(6) > 3)]
    found = direct_consumers(network.model, grouping, own, nested)
    assert [r.node for r in found] == (["second"] if group == 1 else [])
    if found:
        assert [block.tolist() for block in found[0].blocks] == [[0, 1], [2, 3]]
    assert direct_consumers(network.model, grouping, own, [*nested, (0.7, np.arange(6) < 2)]) == ()
    assert direct_consumers(network.model, grouping, own, []) == ()
