from __future__ import annotations

import numpy as np

from prunus.evaluation.random_inputs import random_inputs
from prunus.evaluation.session import Session
from prunus.grouping import find_groups
from prunus.recovery.activation_stream import ActivationStream, weights_behind
from prunus.testing.nets import as_network
from prunus.testing.nets.builder import Builder


def parts_used_one_after_the_other():
    """A Split whose first part is known when the second is asked for."""
    b = Builder(0)
    first, second = b.split(b.conv(b.input(), 8, name="whole"), 4, 4)
    joined = b.add(second, b.conv(first, 4, name="inner"))
    return as_network(b.model(b.conv(joined, 2, name="last"))), first.name, joined.name


def test_values_in_turn_equal_one_run():
    network, *asked = parts_used_one_after_the_other()
    samples = random_inputs(network.model, 5, 0)
    wanted = Session(network.model, asked).run(samples)
    stream = ActivationStream(
        network.model, find_groups(network).labelling, samples, [[n] for n in asked]
    )
    for name in asked:
        assert np.allclose(stream.next()[0], wanted[name], atol=1e-6)


def test_changed_weights_are_used_from_then_on():
    network, *asked = parts_used_one_after_the_other()
    samples = random_inputs(network.model, 5, 0)
    stream = ActivationStream(
        network.model, find_groups(network).labelling, samples, [[n] for n in asked]
    )
    first = stream.next()[0]
    weight = np.zeros_like(network.weights()["inner/weight"])
    stream.change({"inner/weight": weight}, {})
    changed = network.with_weights({"inner/weight": weight})
    wanted = Session(changed.model, asked).run(samples)
    assert np.allclose(first, wanted[asked[0]], atol=1e-6)
    assert np.allclose(stream.next()[0], wanted[asked[1]], atol=1e-6)


def test_values_that_changed_weights_made_are_taken_as_given():
    b = Builder(0)
    first = b.act(b.conv(b.input(), 4))
    network = as_network(b.model(b.conv(first, 2, name="last")))
    samples, labelling = random_inputs(network.model, 5, 0), find_groups(network).labelling
    asked = [[first.name], [network.model.graph.outputs[0].name]]
    stream = ActivationStream(network.model, labelling, samples, asked)
    stream.change({}, {first.name: np.zeros_like(stream.next()[0])})
    assert np.allclose(stream.next()[0], network.weights()["last/bias"].reshape(-1, 1, 1))


def test_weights_behind_values_are_those_on_the_way():
    network, first, joined = parts_used_one_after_the_other()
    whole = {"whole/weight", "whole/bias"}
    given = network.model.graph.inputs[0].name
    assert weights_behind(network.model, [given]) == set()
    assert weights_behind(network.model, [given, first]) >= whole
    assert not weights_behind(network.model, [first]) & {"inner/weight", "last/weight"}
    assert weights_behind(network.model, [joined]) >= whole | {"inner/weight", "inner/bias"}
    assert "last/weight" not in weights_behind(network.model, [joined])
