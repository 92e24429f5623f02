from __future__ import annotations

import math

import attrs
import pytest

from prunus.costs.choice import priced
from prunus.granularity import CHANNELS
from prunus.planning.budget import Budget
from prunus.planning.choose import chooser_of
from prunus.planning.multiple import preferred
from prunus.prunable import prunable
from prunus.results import host
from prunus.testing.nets import as_network
from prunus.testing.nets.builder import Builder


@attrs.define
class Vectors:
    """An engine that computes in whole vectors: 17 channels take as long as 32."""

    lanes: int
    identity: str = "vectors"

    def steps(self, runnable):
        return None

    def shares(self, whole, others):
        for make in others:
            yield self.time(make().compact.model) / self.time(whole.compact.model)

    def time(self, model):
        weights = [tuple(node.inputs[1].shape) for node in model.graph if node.op_type == "Conv"]
        return sum(
            math.ceil(made / self.lanes) * math.ceil(read / self.lanes) * math.prod(kernel)
            for made, read, *kernel in weights
        )


@pytest.fixture(scope="module")
def subject():
    b = Builder(0)
    x = b.input()
    for width in (32, 32, 32, 48):
        x = b.act(b.conv(x, width))
    return prunable(as_network(b.model(b.gemm(b.flatten(b.pool(x)), 4))))


def chooser(subject, asked, **budget):
    groups = subject.grouping.groups
    return chooser_of(
        host(),
        subject,
        Budget(**budget),
        criterion="l1",
        allocation="uniform",
        multiples=preferred(CHANNELS, asked, groups),
    )


def test_the_clock_chooses_the_numbers_of_channels(subject):
    usual = chooser(subject, None, latency=0.5)
    found, costs = priced(usual, Vectors(16))
    assert usual.facts.multiples == dict.fromkeys(usual.facts.multiples, 4)
    assert set(found.facts.multiples.values()) == {16}
    assert costs["latency"].counted == "milliseconds"
    free, _ = priced(usual, Vectors(1))
    assert free.facts.multiples == usual.facts.multiples


def test_a_number_that_was_asked_for_stays(subject):
    asked = chooser(subject, 8, latency=0.5)
    found, _ = priced(asked, Vectors(16))
    assert found.facts.multiples == asked.facts.multiples == {}


def test_without_a_budget_of_time_nothing_is_timed(subject):
    usual = chooser(subject, None, rate=0.5)
    found, costs = priced(usual, None)
    assert found is usual
    assert costs == {"rate": subject.cost}
