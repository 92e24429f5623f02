"""Networks that grouping must survive."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from prunus.compaction import compact
from prunus.grouping import find_groups
from prunus.masking import mask
from prunus.proof import compare
from prunus.selection import choose_units
from prunus.testing.nets import as_network
from prunus.testing.nets.builder import Builder


def proved(network):
    grouping = find_groups(network)
    keep = {}
    for group in grouping.groups:
        draw = np.random.default_rng(0)
        keep[group.name] = choose_units(group, draw.random(group.size), group.size // 2)
    masked = mask(network, grouping, keep)
    return compare(masked.model, compact(masked, grouping, keep).model).error <= 1e-5


def test_two_by_two_shuffle():
    b = Builder(0)
    assert proved(as_network(b.model(b.conv(b.shuffle(b.conv(b.input(), 4), 2), 3, 1))))


def test_reduction_of_everything():
    b = Builder(0)
    x = b.input()
    peak = b.node("ReduceMax", "peak", [x], (), {"keepdims": 0})
    peak.shape = ir.Shape([])
    assert proved(as_network(b.model(b.conv(b.mul(b.conv(x, 8), peak), 3, 1))))
