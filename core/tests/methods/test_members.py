"""How members are scored."""

from __future__ import annotations

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
