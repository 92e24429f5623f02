from __future__ import annotations

import numpy as np
import pytest

MAP = {"y": (6, 4, 4)}
VECTORS = {f"n/{role}": np.ones(6, np.float32) for role in ("scale", "shift", "mean", "variance")}


def test_batch_normalisation_has_four_vectors_a_channel(label, after_conv):
    found = label(after_conv([("BatchNormalization", ["c", *VECTORS], ["y"], {})], MAP, VECTORS))
    own = {r.initializer: (r.role, found.found.roots[r.labels].tolist()) for r in found.found.records if r.node == "y"}  # fmt: skip
    assert own == {name: (name[2:], found.channels("c")) for name in VECTORS}


def test_instance_normalisation_has_two(label, after_conv):
    nodes = [("InstanceNormalization", ["c", "n/scale", "n/shift"], ["y"], {})]
    found = label(after_conv(nodes, MAP, VECTORS))
    assert {r.role for r in found.found.records if r.node == "y"} == {"scale", "shift"}
    assert found.channels("y") == found.channels("c")


def test_lrn_lets_labels_pass_but_marks_them(label, after_conv):
    found = label(after_conv([("LRN", ["c"], ["y"], {"size": 5})], MAP))
    assert found.channels("y") == found.channels("c")
    assert found.found.inexact == set(found.channels("c"))


@pytest.mark.parametrize(
    ("operator", "axis", "mixes"),
    [("Softmax", 1, True), ("Softmax", -1, False), ("LogSoftmax", 1, True), ("LpNormalization", 1, True), ("Hardmax", 2, False)],
)  # fmt: skip
def test_what_runs_over_channels_mixes_them(label, after_conv, operator, axis, mixes):
    # behind a Relu, so that "graph output" does not come first
    found = label(after_conv([(operator, ["c"], ["y"], {"axis": axis})], MAP))
    reason = f"'y' ({operator}) mixes its channels"
    assert found.frozen("c") == ({reason} if mixes else {"graph output"})


def test_layer_normalisation_runs_over_all_axes_behind_its_own(label, after_conv):
    weights = {"s": np.ones((4,), np.float32)}
    along = label(
        after_conv([("LayerNormalization", ["c", "s"], ["y"], {"axis": 3})], MAP, weights)
    )
    assert along.frozen("c") == {"graph output"}
    weights = {"s": np.ones((6, 4, 4), np.float32)}
    across = label(
        after_conv([("LayerNormalization", ["c", "s"], ["y"], {"axis": 1})], MAP, weights)
    )
    assert across.frozen("c") == {"'y' (LayerNormalization) mixes its channels"}


@pytest.mark.parametrize(("axes", "mixes"), [([2, 3], False), ([0, 1, 2, 3], True), ([0, 2, 3], False)])  # fmt: skip
def test_mean_variance_normalisation(label, after_conv, axes, mixes):
    nodes = [("MeanVarianceNormalization", ["c"], ["y"], {"axes": axes})]
    reasons = label(after_conv(nodes, MAP)).frozen("c")
    assert ("'y' (MeanVarianceNormalization) mixes its channels" in reasons) is mixes


LAST = ("Transpose", ["c"], ["t"], {"perm": [0, 2, 3, 1]})


def test_the_last_axis_is_meant_where_none_is_named(label, after_conv):
    first = label(after_conv([("Softmax", ["c"], ["y"], {})], MAP))
    assert first.frozen("c") == {"graph output"}  # along the width
    last = label(after_conv([LAST, ("Softmax", ["t"], ["y"], {})], {"y": (4, 4, 6)}))
    assert last.frozen("c") == {"'y' (Softmax) mixes its channels"}


def test_layer_normalisation_from_the_width_on_mixes_the_channels_behind(label, after_conv):
    nodes = [LAST, ("LayerNormalization", ["t", "s"], ["y"], {"axis": 2})]
    found = label(after_conv(nodes, {"y": (4, 4, 6)}, {"s": np.ones((4, 6), np.float32)}))
    assert found.frozen("c") == {"'y' (LayerNormalization) mixes its channels"}


def test_a_softmax_over_branches_ties_them(label, after_conv):
    nodes = [
        ("Reshape", ["c", "split"], ["b"], {}),
        ("Softmax", ["b"], ["s"], {"axis": 1}),
        ("Reshape", ["s", "join"], ["y"], {}),
    ]
    weights = {"split": np.array([0, 2, 3, 16]), "join": np.array([0, 6, 4, 4])}
    found = label(after_conv(nodes, MAP, weights))
    first, second = found.channels("c")[:3], found.channels("c")[3:]
    assert first == second
    assert len(set(first)) == 3
    assert found.frozen("c") == {"graph output"}
