"""Copies of large graphs are freed at once, small ones wait."""

from __future__ import annotations

import gc
import weakref
from types import SimpleNamespace

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


@pytest.mark.parametrize(("small", "calls"), [(0, 1), (1 << 40, 0)])
def test_freed_memory_is_returned_beside_large_graphs(small, calls, monkeypatch):
    monkeypatch.setattr(release, "_SMALL", small)
    called = []
    library = SimpleNamespace(malloc_trim=lambda pad: called.append(pad.value))
    monkeypatch.setattr(release.ctypes, "pythonapi", library)
    release.return_memory(as_network(NETS["lenet"](0)).model)
    assert called == [0] * calls


def test_another_c_library_keeps_what_is_freed(monkeypatch):
    monkeypatch.setattr(release, "_SMALL", 0)
    monkeypatch.setattr(release.ctypes, "pythonapi", SimpleNamespace())
    release.return_memory(as_network(NETS["lenet"](0)).model)
