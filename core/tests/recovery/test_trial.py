"""Whole plans measured: compensated in one shot, judged on held-out samples."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest

from prunus.evaluation.random_inputs import random_inputs
from prunus.evaluation.session import Session
from prunus.grouping import find_groups
from prunus.masking import mask
from prunus.recovery import trial
from prunus.recovery.held_out import are_enough, distance, outputs_of, split
from prunus.recovery.one_pass import OnePass
from prunus.recovery.recover import recover_once
from prunus.recovery.trial import Trials
from prunus.testing import random_plan
from prunus.testing.nets import NETS, as_network


@pytest.mark.parametrize("name", NETS)
def test_every_plan_has_a_loss(name):
    network = as_network(NETS[name](0))
    grouping = find_groups(network)
    keep = random_plan([group for group in grouping.groups if group.exact])
    trials = Trials(network, grouping, random_inputs(network.model, 64, 0), 0)
    assert trials.samples == 64
    assert 0 < trials.loss(keep) < np.inf


def loss_of(network, grouping, keep, fitted, held_out):
    """Distance, on some samples, of a plan compensated with others."""
    masked = OnePass(network, grouping, fitted, 0).masked(keep)
    sessions = (Session(one.model) for one in (masked, network))
    found, wanted = (outputs_of(one, grouping, held_out) for one in sessions)
    return distance(network, found, wanted)


def test_the_loss_is_that_of_the_plan_compensated_with_the_other_samples(lenet):
    grouping, samples = find_groups(lenet), random_inputs(lenet.model, 128, 0)
    keep = random_plan(grouping.groups)
    trials = Trials(lenet, grouping, samples, 0)
    assert trials.samples == 16
    assert trials.loss(keep) == loss_of(lenet, grouping, keep, *split(samples))


def test_of_few_samples_each_part_judges_the_plan_compensated_with_the_others(lenet):
    grouping = find_groups(lenet)
    ((name, array),) = random_inputs(lenet.model, 22, 0).items()
    keep = random_plan(grouping.groups)
    losses, sizes = [], []
    for number in range(4):
        part = np.arange(22) % 4 == number
        fitted, held_out = {name: array[~part]}, {name: array[part]}
        losses.append(loss_of(lenet, grouping, keep, fitted, held_out))
        sizes.append(part.sum())
    trials = Trials(lenet, grouping, {name: array}, 0)
    assert trials.samples == 22
    assert trials.loss(keep) == pytest.approx(np.average(losses, weights=sizes))


def test_samples_that_would_take_long_judge_in_a_part_alone(lenet, monkeypatch):
    monkeypatch.setattr(trial, "_WORK", 1)
    trials = Trials(lenet, find_groups(lenet), random_inputs(lenet.model, 64, 0), 0)
    assert trials.samples == 8


def test_a_plan_that_removes_nothing_loses_nothing(lenet):
    trials = Trials(lenet, find_groups(lenet), random_inputs(lenet.model, 40, 0), 0)
    assert trials.loss({}) == 0.0


def test_consumers_are_compensated_for_samples_that_no_trial_sees(lenet, monkeypatch):
    monkeypatch.setattr(trial, "_FEW", 0)
    grouping, samples = find_groups(lenet), random_inputs(lenet.model, 128, 0)
    keep = random_plan(grouping.groups)
    others, _ = split(samples)
    ((name, array),) = others.items()
    judged = np.arange(112) % 3 == 2
    ready = recover_once(lenet, grouping, keep, {name: array[~judged]})
    sessions = (Session(one.model) for one in (mask(ready, grouping, keep), lenet))
    found, wanted = (outputs_of(one, grouping, {name: array[judged]}) for one in sessions)
    trials = Trials(lenet, grouping, samples, 0)
    assert trials.fitted == 75
    wanted_loss = pytest.approx(distance(lenet, found, wanted), rel=1e-5)
    assert trials.compensated_losses(keep) == [wanted_loss]
    assert trials.compensated_losses({}) == [0.0]


def test_of_few_samples_each_third_compares_plans(lenet):
    grouping = find_groups(lenet)
    trials = Trials(lenet, grouping, random_inputs(lenet.model, 64, 0), 0)
    assert trials.fitted == 2 * 64
    found = trials.compensated_losses(random_plan(grouping.groups))
    assert len(found) == 3
    assert min(found) > 0


def test_channels_that_follow_from_others_cost_nearly_nothing(lenet):
    """conv1's channel 1 is twice its channel 0: what reads it can read the other."""
    weights = lenet.weights()
    doubled = {name: weights[name].copy() for name in ("conv1/weight", "conv1/bias")}
    for array in doubled.values():
        array[1] = 2 * array[0]
    network = lenet.with_weights(doubled)
    trials = Trials(network, find_groups(network), random_inputs(network.model, 64, 0), 0)
    gone = {number: {"conv1": np.arange(8) != number} for number in (1, 5)}
    assert trials.loss(gone[1]) < 0.1 * trials.loss(gone[5])


def test_samples_too_few_to_hold_any_out_are_refused(lenet):
    samples = random_inputs(lenet.model, 15, 0)
    assert not are_enough(samples)
    with pytest.raises(ValueError, match="too few samples to hold any out"):
        Trials(lenet, find_groups(lenet), samples, 0)


@pytest.mark.parametrize(("small", "freed"), [(0, True), (1 << 40, False)])
def test_sums_of_large_networks_are_freed_before_a_compensation_by_layers(
    lenet, monkeypatch, small, freed
):
    monkeypatch.setattr("prunus.graph.release._SMALL", small)
    grouping = find_groups(lenet)
    keep = random_plan(grouping.groups)
    trials = Trials(lenet, grouping, random_inputs(lenet.model, 128, 0), 0)
    loss = trials.loss(keep)
    ((fit, _),) = trials._folds
    sums = weakref.ref(fit._fits[0])
    trials.compensated_losses(keep)
    gc.collect()
    assert (sums() is None) == freed
    assert trials.loss(keep) == loss
