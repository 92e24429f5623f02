"""Derivatives agree with differences of the network itself; criteria that read them conform."""

from __future__ import annotations

import numpy as np
import pytest

from prunus.plugin import Session, random_inputs, start
from prunus.testing import criterion_checks
from prunus.testing.nets import NETS, as_network
from prunus_torch.derivatives import derivatives


@pytest.mark.parametrize("form", ["lenet", "resnet_padded", "mobilenet_v2"])
def test_derivatives_are_differences(form):
    network = as_network(NETS[form](0))
    draw = np.random.default_rng(1)
    inputs = random_inputs(network.model, 2, 0)
    outputs = Session(network.model).run(inputs)
    cotangents = {
        name: draw.standard_normal(array.shape).astype(np.float32)
        for name, array in outputs.items()
    }
    names = tuple(name for name in network.weights() if name.endswith("/weight"))
    found = derivatives(network, names)(inputs, cotangents)
    for name in names[:3]:
        weight = network.weights()[name]
        step = draw.standard_normal(weight.shape).astype(np.float32)
        step *= 1e-2 * float(np.linalg.norm(weight) / np.linalg.norm(step))
        ends = []
        for sign in (1, -1):
            moved = Session(network.with_weights({name: weight + sign * step}).model).run(inputs)
            ends.append(sum(float(np.sum(moved[n] * cotangents[n])) for n in cotangents))
        expected = (ends[0] - ends[1]) / 2
        size = float(np.linalg.norm(found[name]) * np.linalg.norm(step))
        assert float(np.sum(found[name] * step)) == pytest.approx(expected, abs=0.02 * size)


def test_the_trainer_says_that_it_differentiates():
    from prunus.plugin import Trainer

    found = {one.name: one.differentiates for one in start().all(Trainer)}
    assert found["torch"] is True


CHECKS = [check for name in ("taylor", "fisher", "block-obd") for check in criterion_checks(name)]


@pytest.mark.parametrize("check", CHECKS, ids=str)
def test_conformance(check):
    check()
