"""Positions weighted by the places that a network's metric tells."""

from __future__ import annotations

import attrs
import numpy as np

from prunus.evaluation.metrics import Fidelity
from prunus.evaluation.random_inputs import random_inputs
from prunus.evaluation.session import Session
from prunus.grouping import find_groups
from prunus.masking import mask
from prunus.recovery.importance import Importance, answers_for, importance_by, importance_of
from prunus.recovery.recover import recover


@attrs.frozen
class Finder(Fidelity):
    """Finds something in the upper half of every sample."""

    def places(self, outputs):
        found = np.zeros((len(next(iter(outputs.values()))), 2, 2))
        found[:, 0] = 1
        return found


def test_weights_are_those_of_the_place():
    maps = np.arange(8, dtype=np.float32).reshape(2, 2, 2)
    positions = (np.array([0, 0, 1, 1]), np.array([0, 5, 2, 3]), np.array([0, 5, 3, 2]))
    assert Importance(maps).at(positions, (2, 7, 6, 6)).tolist() == [0, 3, 5, 6]


def test_rows_of_values_that_hold_several_a_sample_belong_to_it():
    maps = np.arange(2, dtype=np.float32).reshape(2, 1, 1)
    positions = (np.array([0, 2, 3, 5]), *(np.zeros(4, np.int64),) * 2)
    assert Importance(maps).at(positions, (6, 7, 3, 3)).tolist() == [0, 0, 1, 1]


def test_values_without_two_spatial_axes_have_no_weights():
    importance = Importance(np.ones((2, 2, 2), np.float32))
    assert importance.at((np.array([0, 1]),), (2, 7)) is None


def test_only_metrics_that_tell_places_weigh(lenet):
    samples = random_inputs(lenet.model, 3, 0)
    grouping = find_groups(lenet)
    assert importance_of(lenet, grouping, samples) is None
    assert answers_for(lenet) == ()
    network = attrs.evolve(lenet, task=attrs.evolve(lenet.task, metric=Finder()))
    found = importance_of(network, grouping, samples)
    assert np.allclose(found.maps[:, 0], 1)
    assert np.allclose(found.maps[:, 1], 0.1)
    values = Session(lenet.model, ["conv2", *answers_for(network)]).run(samples)
    assert np.array_equal(importance_by(network, values).maps, found.maps)


def test_places_are_sought_in_as_many_samples_as_memory_holds(lenet, monkeypatch):
    runs, real = [], Session.run
    monkeypatch.setattr("prunus.graph.batches._BYTES", 1)
    monkeypatch.setattr(
        Session, "run", lambda self, fed: runs.append(len(fed["data"])) or real(self, fed)
    )
    network = attrs.evolve(lenet, task=attrs.evolve(lenet.task, metric=Finder()))
    samples = random_inputs(lenet.model, 3, 0)
    assert len(importance_of(network, find_groups(lenet), samples).maps) == 3
    assert runs == [1, 1, 1]


def test_places_that_count_more_are_compensated_better(lenet):
    grouping = find_groups(lenet)
    keep = {"conv1": np.arange(8) % 2 == 0}
    samples = random_inputs(lenet.model, 256, 0)
    network = attrs.evolve(lenet, task=attrs.evolve(lenet.task, metric=Finder()))
    samples["data"][:, :, :6] *= 3.0  # the halves differ, and so do their best weights
    wanted = Session(lenet.model, ["conv2"]).run(samples)["conv2"]
    missed = []
    for one in (lenet, network):
        masked = mask(recover(one, grouping, keep, samples), grouping, keep)
        found = Session(masked.model, ["conv2"]).run(samples)["conv2"]
        lost = np.maximum(found, 0) - np.maximum(wanted, 0)  # as the rectifier behind sees it
        missed.append(np.square(lost).mean((0, 1, 3)))
    assert missed[1][0] < missed[0][0]
    assert missed[1][-1] > missed[0][-1]
