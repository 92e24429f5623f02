"""Copies of large graphs are freed at once, small ones wait."""

from __future__ import annotations

import gc
import weakref

import pytest

from prunus.graph import release
from prunus.testing.nets import NETS, as_network


@pytest.mark.parametrize(("small", "freed"), [(0, True), (1 << 40, False)])
def test_only_large_copies_are_collected(small, freed, monkeypatch):
    monkeypatch.setattr(release, "_SMALL", small)
    model = as_network(NETS["lenet"](0)).model
    copy = weakref.ref(as_network(NETS["lenet"](1)).model.graph)
    gc.disable()
    try:
        release.collect_copies(model)
        assert (copy() is None) == freed
    finally:
        gc.enable()
