"""Filters fitted to what the consumer behind them is to give."""

from __future__ import annotations

import numpy as np
import pytest

from prunus.evaluation.random_inputs import random_inputs
from prunus.evaluation.session import Session
from prunus.grouping import find_groups
from prunus.masking import mask
from prunus.recovery import producers
from prunus.recovery.chains import Depthwise, Normalised, Pooled, Rectified, chain_before
from prunus.recovery.recover import recover, recover_once
from prunus.testing.nets import as_network
from prunus.testing.nets.builder import Builder


def chained(*, middle):
    """Two convolutions and what lies between."""
    b = Builder(0)
    made = middle(b, b.conv(b.input(size=12), 12, name="first"))
    return as_network(b.model(b.act(b.conv(made, 8, name="second"))))


def rectified(b, value):
    return b.act(value)


def normalised(b, value):
    return b.act(b.bn(value))


def pooled(b, value):
    return b.pool(b.act(value))


def depthwise(b, value):
    return b.act(b.depthwise(b.act(value)))


MIDDLES = (rectified, normalised, pooled, depthwise)


def data_of(network):
    (second,) = (node for node in network.model.graph if node.name == "second")
    return second.inputs[0]


@pytest.mark.parametrize(
    ("middle", "kinds"),
    [
        (rectified, [Rectified]),
        (normalised, [Normalised, Rectified]),
        (pooled, [Rectified, Pooled]),
        (depthwise, [Rectified, Depthwise, Rectified]),
    ],
)
def test_what_lies_between(middle, kinds):
    network = chained(middle=middle)
    chain = chain_before(data_of(network), network, network.weights())
    assert chain.node.name == "first"
    assert [type(step) for step in chain.steps] == kinds


def test_steps_give_what_the_network_gives():
    for middle in MIDDLES:
        network = chained(middle=middle)
        value = data_of(network)
        chain = chain_before(value, network, network.weights())
        samples = random_inputs(network.model, 3, 0)
        found = Session(network.model, ["first", value.name]).run(samples)
        made, kept = found["first"], np.ones(12, bool)
        for step in chain.steps:
            made, _ = step.at(made, network.weights(), kept)
        assert np.allclose(made, found[value.name], atol=1e-5), middle.__name__


def test_steps_push_as_they_change_and_pull_as_they_push():
    rng = np.random.default_rng(0)
    for middle in MIDDLES:
        network = chained(middle=middle)
        chain = chain_before(data_of(network), network, network.weights())
        kept = np.arange(12) % 3 > 0
        made = rng.standard_normal((2, 8, 12, 12)).astype(np.float32)
        change = 1e-3 * rng.standard_normal(made.shape).astype(np.float32)
        for step in chain.steps:
            after, tangent = step.at(made, network.weights(), kept)
            moved, _ = step.at(made + change, network.weights(), kept)
            pushed = tangent.push(change)
            assert np.abs(moved - after - pushed).mean() < 0.02 * np.abs(pushed).mean() + 1e-6
            values = rng.standard_normal(pushed.shape).astype(np.float32)
            pulled = tangent.pull(values)
            assert np.vdot(pushed, values) == pytest.approx(np.vdot(change, pulled), abs=1e-4)
            made, change = after, pushed


def test_values_that_something_else_reads_end_no_chain():
    b = Builder(0)
    inner = b.act(b.conv(b.input(), 4, name="first"))
    joined = b.add(inner, b.conv(inner, 4, name="second"))
    network = as_network(b.model(b.conv(joined, 2, name="last")))
    assert chain_before(data_of(network), network, network.weights()) is None


@pytest.mark.parametrize("middle", MIDDLES)
def test_the_output_comes_nearer_than_by_consumers_alone(middle):
    network = chained(middle=middle)
    grouping = find_groups(network)
    keep = {group.name: np.arange(group.size) % 2 == 0 for group in grouping.groups}
    samples = random_inputs(network.model, 96, 0)
    others = random_inputs(network.model, 32, 1)
    wanted = Session(network.model).run(others)
    missed = []
    for way in (recover_once, recover):
        ready = way(network, grouping, keep, samples)
        masked = mask(ready, grouping, keep)
        found = Session(masked.model).run(others)
        missed.append(sum(np.square(found[name] - wanted[name]).sum() for name in wanted))
    assert missed[1] < 0.97 * missed[0]


def test_filters_stay_where_samples_are_few(monkeypatch):
    network = chained(middle=rectified)
    grouping = find_groups(network)
    keep = {group.name: np.arange(group.size) % 2 == 0 for group in grouping.groups}
    samples = random_inputs(network.model, 16, 0)
    monkeypatch.setattr(producers, "_EQUATIONS", 10**6)
    found = recover(network, grouping, keep, samples)
    assert np.array_equal(found.weights()["first/weight"], network.weights()["first/weight"])


@pytest.mark.parametrize(("samples", "values", "steps"), [(1, 1, 6), (10**6, 1, 2), (1, 10**6, 2)])
def test_many_samples_take_more_steps(monkeypatch, samples, values, steps):
    network = chained(middle=rectified)
    grouping = find_groups(network)
    keep = {group.name: np.arange(group.size) % 2 == 0 for group in grouping.groups}
    taken, changes = [], producers._changes
    monkeypatch.setattr(producers, "_MANY", samples)
    monkeypatch.setattr(producers, "_VALUES", values)
    monkeypatch.setattr(
        producers, "_changes", lambda *given: taken.append(given[3]) or changes(*given)
    )
    recover(network, grouping, keep, random_inputs(network.model, 16, 0))
    assert set(taken) == {steps}
