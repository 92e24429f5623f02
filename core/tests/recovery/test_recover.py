"""Kept weights compensate for removed channels."""

from __future__ import annotations

import numpy as np
import pytest

from prunus.compaction import compact
from prunus.evaluation.data import ArrayDataset
from prunus.evaluation.evaluator import Evaluator
from prunus.evaluation.metrics import Fidelity
from prunus.evaluation.random_inputs import random_inputs
from prunus.folding import fold
from prunus.grouping import find_groups
from prunus.masking import mask, masked_units
from prunus.proof import compare
from prunus.recovery import recover as recover_module, set_aside as set_aside_module
from prunus.recovery.held_out import Judge
from prunus.recovery.recover import recover, recover_once
from prunus.testing import random_plan
from prunus.testing.nets import NETS, as_network


def half(grouping):
    return random_plan([group for group in grouping.groups if group.exact])


def fidelity(network, other, samples):
    name = network.model.graph.inputs[0].name
    evaluator = Evaluator(network, ArrayDataset(name, samples[name]), Fidelity())
    return evaluator.measure(other.model).value


@pytest.mark.parametrize("operator", ["Conv", "ConvTranspose"])
def test_channels_that_follow_from_others_are_removed_without_loss(build, draw, operator):
    """Channel 2 is channel 0 minus twice channel 1: nothing is lost by removing it."""
    first = draw.standard_normal((3, 2, 1, 1)).astype(np.float32)
    first[2] = first[0] - 2 * first[1]
    shape = (4, 3, 3, 3) if operator == "Conv" else (3, 4, 3, 3)
    network = build(
        [
            ("Conv", ["x", "a/weight", "a/bias"], ["a"], {}),
            (operator, ["a", "b/weight", "b/bias"], ["b"], {"pads": [1, 1, 1, 1]}),
        ],
        {
            "a/weight": first,
            "a/bias": np.array([1, 2, -3], np.float32),
            "b/weight": draw.standard_normal(shape).astype(np.float32),
            "b/bias": np.zeros(4, np.float32),
        },
        {"x": (2, 9, 9)},
        {"b": (4, 9, 9)},
    )
    grouping = find_groups(network)
    keep = {"a": np.array([True, True, False])}
    samples = random_inputs(network.model, 64, 1)
    pruned = mask(recover(network, grouping, keep, samples), grouping, keep)
    assert fidelity(network, pruned, samples) > 0.999
    folded = mask(fold(network, grouping, keep, samples), grouping, keep)
    assert fidelity(network, folded, samples) < 0.9


@pytest.mark.parametrize("name", NETS)
def test_recovered_networks_are_masked_and_nearer_than_folded_ones(name):
    network = as_network(NETS[name](0))
    grouping = find_groups(network)
    keep = half(grouping)
    recovered = recover(network, grouping, keep, random_inputs(network.model, 48, 1))
    pruned = mask(recovered, grouping, keep)
    assert compare(pruned.model, compact(pruned, grouping, keep).model).error <= 1e-5
    found = grouping.kept_channel_ids(masked_units(pruned, grouping))
    assert np.array_equal(found, grouping.kept_channel_ids(keep))
    others = random_inputs(network.model, 32, 2)
    folded = mask(
        fold(network, grouping, keep, random_inputs(network.model, 48, 1)), grouping, keep
    )
    assert fidelity(network, pruned, others) > fidelity(network, folded, others) - 0.02


def test_same_seed_same_weights(lenet):
    grouping = find_groups(lenet)
    samples = random_inputs(lenet.model, 40, 0)
    one, two, other = (
        recover(lenet, grouping, half(grouping), samples, seed).weights() for seed in (3, 3, 4)
    )
    assert all(np.array_equal(one[name], two[name]) for name in one)
    assert set(one) == set(other)


@pytest.mark.parametrize("count", [40, 200])
def test_a_plan_to_compare_is_fitted_once_to_all_samples(lenet, monkeypatch, count):
    grouping, fitted = find_groups(lenet), []
    real = recover_module._fitted
    monkeypatch.setattr(
        recover_module,
        "_fitted",
        lambda *given: fitted.append(len(given[5]["data"])) or real(*given),
    )
    samples = random_inputs(lenet.model, count, 0)
    keep = half(grouping)
    once = mask(recover_once(lenet, grouping, keep, samples), grouping, keep)
    assert fitted == [count]
    folded = mask(fold(lenet, grouping, keep, samples), grouping, keep)
    assert fidelity(lenet, once, samples) > fidelity(lenet, folded, samples)


def test_large_weights_that_a_step_does_not_run_wait_in_a_file(lenet, monkeypatch):
    grouping = find_groups(lenet)
    samples = random_inputs(lenet.model, 40, 0)
    held = recover(lenet, grouping, half(grouping), samples).weights()
    monkeypatch.setattr("prunus.recovery.set_aside._LARGE", 1)
    stored = []
    real = set_aside_module._stored
    monkeypatch.setattr(set_aside_module, "_stored", lambda w: stored.append(set(w)) or real(w))
    found = recover(lenet, grouping, half(grouping), samples).weights()
    assert all(np.array_equal(held[name], found[name]) for name in held)
    # nothing is fitted behind the last layer, whose lost means are folded at first
    assert stored == [{"ip2/bias"}, {"ip2/weight", "ip2/bias"}]


def test_three_samples_fold_means(lenet):
    grouping = find_groups(lenet)
    keep, samples = half(grouping), random_inputs(lenet.model, 3, 0)
    weights, before = recover(lenet, grouping, keep, samples).weights(), lenet.weights()
    for name in ("conv2/weight", "ip1/weight", "ip2/weight"):
        changed = weights[name] != before[name]
        assert np.array_equal(weights[name][changed], np.zeros(changed.sum()))  # masked, no more


def test_fitted_samples_get_mirror_images_and_those_that_judge_do_not(lenet, draw, monkeypatch):
    """Of forty samples ten judge; in the end all are fitted."""
    grouping = find_groups(lenet)
    keep = half(grouping)
    samples = {"data": draw.standard_normal((40, 1, 12, 12)).astype(np.float32)}
    asked, judged = [], []

    def doubled(network, grouping, some):
        asked.append(len(some["data"]))
        return {"data": np.concatenate([some["data"], some["data"][..., ::-1]])}

    class Seen(Judge):
        def __init__(self, network, grouping, keep, samples):
            judged.append(len(samples["data"]))
            super().__init__(network, grouping, keep, samples)

    monkeypatch.setattr("prunus.recovery.recover.with_mirror_images", lambda *given: given[2])
    plain = recover(lenet, grouping, keep, samples).weights()
    monkeypatch.setattr("prunus.recovery.recover.with_mirror_images", doubled)
    monkeypatch.setattr("prunus.recovery.recover.Judge", Seen)
    found = recover(lenet, grouping, keep, samples).weights()
    assert (asked, judged) == ([30, 40], [10])
    assert any((found[name] != plain[name]).any() for name in found)
