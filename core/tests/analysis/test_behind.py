"""Layers behind a group with the weights of a compensated plan."""

from __future__ import annotations

import numpy as np
import pytest

from prunus.analysis.behind import Behind
from prunus.analysis.probe import Prefix
from prunus.evaluation.random_inputs import random_inputs
from prunus.evaluation.session import Session
from prunus.grouping import find_groups
from prunus.recovery.one_pass import OnePass
from prunus.task import Batch
from prunus.testing.nets import NETS, as_network


@pytest.mark.parametrize("name", NETS)
def test_they_give_the_outputs_of_the_masked_network(name):
    network = as_network(NETS[name](0))
    grouping = find_groups(network)
    fits = OnePass(network, grouping, random_inputs(network.model, 32, 0), 0)
    inputs = random_inputs(network.model, 5, 1)
    for group in (group for group in grouping.groups if group.exact):
        behind = Behind(network, grouping, group)
        keep = np.arange(group.size) >= group.size // 3
        plan = {group.name: keep}
        values, _ = Prefix(network.model, behind.suffix.boundary).run(Batch(inputs))
        found = behind.load(fits.compensated(plan), keep).run(values)
        wanted = Session(fits.masked(plan).model).run(inputs)
        assert found
        for output, array in found.items():
            assert np.allclose(array, wanted[output], rtol=1e-4, atol=1e-5)


def test_weights_of_one_plan_do_not_stay_for_the_next(lenet):
    behind = Behind(lenet, find_groups(lenet), find_groups(lenet).group("ip1"))
    values = {"relu3": np.random.default_rng(0).random((3, 20)).astype(np.float32)}
    whole = behind.load({}, np.ones(20, bool)).run(values)["ip2"]
    twice = {"ip2/weight": 2 * lenet.weights()["ip2/weight"]}
    assert not np.allclose(behind.load(twice, np.ones(20, bool)).run(values)["ip2"], whole)
    assert np.array_equal(behind.load({}, np.ones(20, bool)).run(values)["ip2"], whole)


def test_bytes_are_those_of_the_weights_behind_the_group(lenet):
    size = {name: array.nbytes for name, array in lenet.weights().items()}
    behind = Behind(lenet, find_groups(lenet), find_groups(lenet).group("ip1"))
    assert behind.nbytes == size["ip2/weight"] + size["ip2/bias"]
