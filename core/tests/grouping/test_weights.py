"""Groups of single weights, their patterns, and the masks of plans."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import prunus
from prunus.granularity import Pattern, granularity_of
from prunus.grouping.weights import find_weights, total_weights
from prunus.groups import Group, Member
from prunus.masking import mask, masked_units, weight_masks
from prunus.prunable import prunable
from prunus.selection import choose_units, feasible_counts, fewest_units, is_feasible
from prunus.testing.nets import NETS, as_network

WEIGHTS = granularity_of("weight")


@pytest.fixture(scope="module")
def resnext():
    return as_network(NETS["resnext"](0))


def test_every_layer_is_a_group_of_its_weights(lenet):
    groups = find_weights(lenet, WEIGHTS).groups
    sizes = {group.members[0].initializer: group.size for group in groups}
    assert sizes == {name: array.size for name, array in lenet.weights().items() if name in sizes}
    assert sum(sizes.values()) == total_weights(lenet)
    assert {group.unit for group in groups} == {"weight"}


def test_units_follow_the_input_axis(lenet):
    for group in find_weights(lenet, WEIGHTS).groups:
        (member,) = group.members
        array = member.array(lenet)
        first = np.unravel_index(member.positions[:2, 0], array.shape)
        moved = [axis for axis, where in enumerate(first) if where[0] != where[1]]
        assert moved in ([1], [0], [3])  # (O, I, ...), (I, O), or kernels of one input channel
        assert sorted(member.positions[:, 0]) == list(range(array.size))


def test_excluded_layers_and_odd_inputs_are_protected_with_the_reason(lenet):
    whole = find_weights(lenet, granularity_of("2:4"), ("conv2",))
    reasons = {entry.layer: entry.reason for entry in whole.protected}
    assert reasons["conv2"] == "excluded"
    assert reasons["conv1"] == "1 inputs are no multiple of 4"


@settings(deadline=None)
@given(
    blocks=st.integers(1, 40),
    kept=st.integers(1, 5),
    more=st.integers(1, 5),
    seed=st.integers(0, 10**6),
)
def test_a_pattern_is_exact_and_keeps_the_best_of_each_block(blocks, kept, more, seed):
    pattern = Pattern(kept, kept + more)
    size = blocks * pattern.of
    positions = np.arange(size)[:, None]
    group = Group("a", ("a",), (Member("w", "weight", (0,), positions),), (), True, (), "weight",
                  pattern)  # fmt: skip
    scores = np.random.default_rng(seed).standard_normal(size)
    assert feasible_counts(group).tolist() == [size, blocks * kept]
    keep = choose_units(group, scores, blocks * kept)
    assert is_feasible(group, keep)
    for row, chosen in zip(scores.reshape(-1, pattern.of), keep.reshape(-1, pattern.of),
                           strict=True):  # fmt: skip
        assert chosen.sum() == kept
        assert row[chosen].min() > row[~chosen].max()
    assert fewest_units(group, keep).tolist() == keep.tolist()


@settings(deadline=None, max_examples=20)
@given(rate=st.floats(0.05, 0.98, allow_subnormal=False), seed=st.integers(0, 1000))
def test_a_rate_is_the_share_of_weights_that_are_zero(rate, seed):
    network = as_network(NETS["lenet"](0))
    plan = prunus.plan(network, rate=rate, granularity="weight", seed=seed)
    masked = prunus.prune(network, plan)
    groups = find_weights(network, WEIGHTS).groups
    names = [group.members[0].initializer for group in groups]
    zeros = sum(int((masked.network.weights()[name] == 0).sum()) for name in names)
    assert plan.rate == pytest.approx(rate, rel=0.01)
    assert zeros / total_weights(network) == pytest.approx(plan.rate, abs=1e-9)


@pytest.mark.parametrize("granularity", ["2:4", "1:4", "1:2"])
def test_a_pattern_holds_in_every_layer_it_fits(resnext, granularity):
    plan = prunus.plan(resnext, granularity=granularity)
    masked = prunus.prune(resnext, plan)
    subject = prunable(resnext, (), granularity_of(granularity))
    pattern = subject.granularity.pattern
    assert set(plan.groups) == {group.name for group in subject.grouping.groups} != set()
    for group in subject.grouping.groups:
        (member,) = group.members
        values = masked.network.weights()[member.initializer].ravel()[member.positions[:, 0]]
        assert (np.count_nonzero(values.reshape(-1, pattern.of), axis=1) == pattern.kept).all()


def test_masks_read_back_from_the_weights(lenet):
    found = find_weights(lenet, WEIGHTS)
    draw = np.random.default_rng(0)
    keep = {group.name: draw.random(group.size) < 0.3 for group in found.groups}
    masked = mask(lenet, found, keep)
    assert {n: u.tolist() for n, u in masked_units(masked, found).items()} == {
        name: units.tolist() for name, units in keep.items()
    }
    for name, kept in weight_masks(lenet, found, keep).items():
        assert ((masked.weights()[name] != 0) == kept).all()


def test_no_channel_goes_with_single_weights(lenet):
    plan = prunus.plan(lenet, rate=0.9, granularity="weight")
    small = prunus.compact(prunus.prune(lenet, plan))
    assert {name: array.shape for name, array in small.network.weights().items()} == {
        name: array.shape for name, array in lenet.weights().items()
    }
