"""Plans compensated in one shot, and the output they leave missing, from sums of one pass."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from prunus.evaluation.random_inputs import random_inputs
from prunus.evaluation.session import Session
from prunus.folding import fold
from prunus.grouping import find_groups
from prunus.masking import mask, masked_units
from prunus.recovery.held_out import distance
from prunus.recovery.one_pass import OnePass
from prunus.testing import random_plan
from prunus.testing.nets import NETS, as_network


@pytest.mark.parametrize("name", NETS)
def test_a_plan_is_masked(name):
    network = as_network(NETS[name](0))
    grouping = find_groups(network)
    keep = random_plan([group for group in grouping.groups if group.exact])
    masked = OnePass(network, grouping, random_inputs(network.model, 64, 0), 0).masked(keep)
    found = grouping.kept_channel_ids(masked_units(masked, grouping))
    assert np.array_equal(found, grouping.kept_channel_ids(keep))


def test_a_plan_loses_less_than_folded(lenet):
    grouping = find_groups(lenet)
    keep, samples = random_plan(grouping.groups), random_inputs(lenet.model, 256, 0)
    others = random_inputs(lenet.model, 64, 1)
    wanted = [Session(lenet.model).run(others)]
    folded = mask(fold(lenet, grouping, keep, samples), grouping, keep)
    fitted = OnePass(lenet, grouping, samples, 0).masked(keep)
    lost = [
        distance(lenet, [Session(masked.model).run(others)], wanted) for masked in (fitted, folded)
    ]
    assert lost[0] < lost[1]


def passed(name):
    network = as_network(NETS[name](0))
    grouping = find_groups(network)
    return grouping, OnePass(network, grouping, random_inputs(network.model, 64, 0), 0)


PASSED = {name: passed(name) for name in ("lenet", "resnet_padded", "mobilenet_v2")}


@settings(deadline=None)
@given(st.sampled_from(sorted(PASSED)), st.integers(0, 2**32 - 1))
def test_the_more_goes_the_more_is_missing(name, seed):
    grouping, fits = PASSED[name]
    draw = np.random.default_rng(seed)
    group = grouping.groups[int(draw.integers(len(grouping.groups)))]
    order = draw.permutation(group.size)
    plans = [
        {group.name: ~np.isin(np.arange(group.size), order[:count])}
        for count in range(1, group.size + 1)
    ]
    shares = fits.missing(plans)
    if shares[0] is not None:
        assert all(0 <= share <= 1 for share in shares)
        assert all(after >= before - 1e-9 for before, after in pairwise(shares))


def test_nothing_is_missing_of_what_follows_from_others(lenet):
    """conv1's channel 1 is twice its channel 0: what reads it can read the other."""
    weights = lenet.weights()
    doubled = {name: weights[name].copy() for name in ("conv1/weight", "conv1/bias")}
    for array in doubled.values():
        array[1] = 2 * array[0]
    network = lenet.with_weights(doubled)
    fits = OnePass(network, find_groups(network), random_inputs(network.model, 64, 0), 0)
    plans = [{"conv1": np.arange(8) != n} for n in (1, 5)]
    missing = dict(zip((1, 5), fits.missing(plans), strict=True))
    assert missing[1] < 0.01 < missing[5]


def test_the_missing_share_is_that_of_least_squares(lenet):
    """ip2 reads 20 numbers: one row a sample, and no window."""
    samples = random_inputs(lenet.model, 256, 0)
    keep = np.arange(20) % 3 > 0
    (share,) = OnePass(lenet, find_groups(lenet), samples, 0).missing([{"ip1": keep}])
    found = Session(lenet.model, ["relu3", "ip2"]).run(samples)
    inputs, outputs = (found[name] - found[name].mean(0) for name in ("relu3", "ip2"))
    left = outputs - inputs[:, keep] @ np.linalg.lstsq(inputs[:, keep], outputs, rcond=None)[0]
    assert share == pytest.approx(np.sum(left**2) / np.sum(outputs**2), rel=0.05)
