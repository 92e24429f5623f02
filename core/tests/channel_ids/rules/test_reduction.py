from __future__ import annotations

import numpy as np
import pytest


@pytest.mark.parametrize(
    ("axes", "keep", "shape", "over"),
    [
        ([2, 3], 1, (6, 1, 1), False),
        ([-1, -2], 0, (6,), False),
        ([1], 1, (1, 4, 4), True),
        ([1, 2], 0, (4,), True),
    ],
)
def test_reductions_over_channels_freeze_them(label, after_conv, axes, keep, shape, over):
    nodes = [("ReduceMean", ["c"], ["y"], {"axes": axes, "keepdims": keep})]
    found = label(after_conv(nodes, {"y": shape}))
    reason = "'y' (ReduceMean) runs over channels"
    assert found.frozen("c") == ({reason} if over else {"graph output"})
    if not over:
        assert found.channels("y") == found.channels("c")
    assert found.found.dims["y"] == (1, *shape)


def test_the_place_of_a_maximum(label, after_conv):
    nodes = [("ArgMax", ["c"], ["p"], {"axis": 1}), ("Cast", ["p"], ["y"], {"to": 1})]
    found = label(after_conv(nodes, {"y": (1, 4, 4)}))
    assert found.frozen("c") == {"'p' (ArgMax) runs over channels"}


def test_a_reduction_over_branches_ties_them_like_an_addition(label, after_conv):
    """Two halves of the channels as branches (2, 3): channel i of one goes with i of the other."""
    nodes = [
        ("Reshape", ["c", "split"], ["b"], {}),
        ("ReduceSum", ["b", "axes"], ["y"], {"keepdims": 0}),
    ]
    weights = {"split": np.array([0, 2, 3, 16]), "axes": np.array([1])}
    found = label(after_conv(nodes, {"y": (3, 16)}, weights))
    assert found.channels("c") == [*found.channels("y")] * 2
    assert len(set(found.channels("y"))) == 3
    assert found.frozen("c") == {"graph output"}
