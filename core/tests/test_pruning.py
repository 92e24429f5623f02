"""Carrying out a plan."""

from __future__ import annotations

import gc
import weakref

import numpy as np

from prunus import pruning
from prunus.graph import release
from prunus.masking import mask
from prunus.prunable import prunable
from prunus.testing.nets import NETS, as_network


def test_whole_weights_are_freed_before_the_plan_is_proven(monkeypatch):
    monkeypatch.setattr(release, "_SMALL", 0)
    given = []

    def watched(network, grouping, keep):
        given.append(weakref.ref(network.model.graph))
        return mask(network, grouping, keep)

    monkeypatch.setattr(pruning, "mask", watched)
    subject = prunable(as_network(NETS["lenet"](0)))
    keep = {g.name: np.arange(g.size) % 2 == 0 for g in subject.grouping.groups}
    gc.disable()
    try:
        masked, smaller = pruning.carry_out(subject, keep, {}, None, 0)
        assert [graph() for graph in given] == [None]
    finally:
        gc.enable()
    assert masked.model is not smaller.model
