from __future__ import annotations

import numpy as np

from prunus.compaction import compact
from prunus.grouping import find_groups
from prunus.masking import mask, mask_arrays, masked_units, masked_weights
from prunus.proof import compare
from prunus.training.scatter import scatter


def plan(grouping, share, seed=0):
    draw = np.random.default_rng(seed)
    return {g.name: draw.permutation(g.size) >= round(g.size * share) for g in grouping.groups}


def test_masked_equals_compact_although_sigmoid_of_zero_is_not_zero(lenet):
    grouping = find_groups(lenet)
    for seed in range(3):
        keep = plan(grouping, 0.5, seed)
        masked = mask(lenet, grouping, keep)
        assert compare(masked.model, compact(masked, grouping, keep).model).error <= 1e-5


def test_mask_is_read_back_from_the_weights(lenet):
    grouping = find_groups(lenet)
    keep = plan(grouping, 0.25)
    found = masked_units(mask(lenet, grouping, keep), grouping)
    assert {name: units.tolist() for name, units in found.items()} == {
        name: units.tolist() for name, units in keep.items()
    }


def test_arrays_are_masked_in_place_as_a_network_is(lenet):
    grouping = find_groups(lenet)
    keep = plan(grouping, 0.5)
    arrays = {name: lenet.weights()[name].copy() for name in ("conv1/weight", "ip1/weight")}
    mask_arrays(lenet, grouping, keep, arrays)
    wanted = mask(lenet, grouping, keep).weights()
    assert all(np.array_equal(array, wanted[name]) for name, array in arrays.items())
    before = mask(lenet.with_weights(arrays), grouping, keep).weights()
    assert all(np.shares_memory(array, before[name]) for name, array in arrays.items())


def test_only_given_weights_are_masked(lenet):
    grouping = find_groups(lenet)
    keep = plan(grouping, 0.5)
    given = {"ip1/weight": lenet.weights()["ip1/weight"]}
    found = masked_weights(lenet, grouping, keep, given)
    assert found.keys() == given.keys()
    wanted = mask(lenet, grouping, keep).weights()
    assert np.array_equal(found["ip1/weight"], wanted["ip1/weight"])


def test_dense_weights_hold_no_mask(lenet):
    assert masked_units(lenet, find_groups(lenet)) == {}


def test_a_group_never_loses_all_its_channels(lenet):
    grouping = find_groups(lenet)
    dead = mask(lenet, grouping, {"conv1": np.zeros(8, bool)})
    assert masked_units(dead, grouping)["conv1"].sum() == 1


def test_scatter_is_the_inverse_of_compaction(lenet):
    grouping = find_groups(lenet)
    keep = plan(grouping, 0.5)
    masked = mask(lenet, grouping, keep)
    smaller = compact(masked, grouping, keep)
    trained = {
        name: value.const_value.numpy() + 1
        for name, value in smaller.model.graph.initializers.items()
    }
    full = masked.with_weights(scatter(masked, smaller, trained))
    again = compact(full, grouping, keep)
    for name, array in trained.items():
        assert np.array_equal(again.model.graph.initializers[name].const_value.numpy(), array)
    assert compare(full.model, again.model).error <= 1e-5


def test_the_original_network_is_left_alone(lenet):
    before = {name: array.copy() for name, array in lenet.weights().items()}
    grouping = find_groups(lenet)
    keep = plan(grouping, 0.5)
    compact(mask(lenet, grouping, keep), grouping, keep)
    assert all(np.array_equal(before[name], array) for name, array in lenet.weights().items())
