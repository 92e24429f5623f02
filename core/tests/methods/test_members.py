"""How members are scored."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from prunus.grouping import find_groups
from prunus.methods.members import summed
from prunus.testing.nets import NETS, as_network


@pytest.mark.parametrize("name", sorted(NETS))
def test_sums_equal_those_of_the_slices(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("prunus.methods.members._BLOCK", 100)
    network = as_network(NETS[name](0))
    for group in find_groups(network).groups:
        for member in group.members:
            for ufunc in (np.abs, np.square):
                expected = ufunc(member.slices(network)).sum(1)
                np.testing.assert_allclose(summed(network, member, ufunc), expected, rtol=1e-5)


def test_sums_of_a_consumer_take_little_memory_beside_it(build) -> None:
    """Those of all blocks of VGG-16's fc6 took twice as much as the weight itself."""
    weight = np.ones((500, 20_000), np.float32)
    nodes = [
        ("Gemm", ["x", "a/weight"], ["a"], {"transB": 1}),
        ("Gemm", ["a", "b/weight"], ["b"], {"transB": 1}),
    ]
    narrow = np.ones((20_000, 2), np.float32)
    network = build(nodes, {"a/weight": narrow, "b/weight": weight}, {"x": (2,)}, {"b": (500,)})
    (group,) = find_groups(network).groups
    (member,) = (one for one in group.members if one.role == "input")
    tracemalloc.start()
    found = summed(network, member, np.abs)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert np.array_equal(found, np.full(20_000, 500.0))
    assert peak < 1.2 * weight.nbytes  # the array itself is among them
