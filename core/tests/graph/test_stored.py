from __future__ import annotations

import numpy as np
import pytest

from prunus.compaction import compact
from prunus.graph.parameters import parameters
from prunus.graph.stored import parameter_cost, stored_cost
from prunus.prunable import prunable
from prunus.selection import choose_units, feasible_counts
from prunus.testing.nets import NETS, as_network


def drawn(subject, seed):
    draw = np.random.default_rng(seed)
    return {
        group.name: choose_units(
            group, draw.random(group.size), int(draw.choice(feasible_counts(group)))
        )
        for group in subject.grouping.groups
    }


@pytest.mark.parametrize("form", NETS)
def test_numbers_are_those_of_the_compact_graph(form):
    network = as_network(NETS[form](0))
    subject = prunable(network)
    learned, stored = (cost(network, subject.grouping) for cost in (parameter_cost, stored_cost))
    assert learned.counted == "parameters"
    assert learned.total == parameters(network, network.model)
    for seed in range(2):
        keep = drawn(subject, seed)
        smaller = compact(network, subject.grouping, keep)
        found = learned.macs(learned.kept(keep))
        assert found == pytest.approx(parameters(network, smaller.model), abs=1e-6)
        arrays = smaller.weights()
        kept = sum(arrays[name].size for name in network.bindings)
        assert stored.macs(stored.kept(keep)) == pytest.approx(kept, abs=1e-6)


def test_a_cost_in_another_unit(lenet):
    subject = prunable(lenet)
    cost = subject.cost.affine(2.0, 5.0, "bytes")
    counts = np.array([4, 6, 10])
    assert cost.macs(counts) == 2 * subject.cost.macs(counts) + 5
    assert cost.gradient(counts) == pytest.approx(2 * subject.cost.gradient(counts))
    assert cost.macs_of(counts[None])[0] == pytest.approx(cost.macs(counts))
    assert cost.counted == "bytes"
