from __future__ import annotations

import attrs
import numpy as np
import pytest

from prunus.compaction import compact
from prunus.folding import fold
from prunus.graph.shapes import infer_shapes
from prunus.grouping import find_groups
from prunus.masking import mask
from prunus.proof import prove

SPACE = {"axes": [2, 3], "keepdims": 1}
UNIT = [("ReduceL2", ["c1"], ["l"], SPACE), ("Div", ["c1", "l"], ["m"], {})]
GUARDED = [
    ("ReduceL2", ["c1"], ["l"], SPACE),
    ("Add", ["l", "eps"], ["d"], {}),
    ("Div", ["c1", "d"], ["m"], {}),
]
VARIANCE = [
    ("ReduceMean", ["c1"], ["mean"], SPACE),
    ("Sub", ["c1", "mean"], ["centred"], {}),
    ("Mul", ["centred", "centred"], ["square"], {}),
    ("ReduceMean", ["square"], ["variance"], SPACE),
    ("Sqrt", ["variance"], ["deviation"], {}),
    ("Div", ["centred", "deviation"], ["m"], {}),
]
INSTANCE = ("InstanceNormalization", ["c1", "i/scale", "i/shift"], ["m"])


@pytest.fixture
def between(build, draw):
    """conv - the nodes given, from c1 to m - conv."""

    def make(nodes):
        weights = {
            "c1/weight": draw.standard_normal((12, 3, 3, 3)).astype(np.float32),
            "c1/bias": draw.uniform(20, 30, 12).astype(np.float32),  # log and root exist
            "c2/weight": draw.standard_normal((4, 12, 3, 3)).astype(np.float32),
            "c2/bias": draw.standard_normal(4).astype(np.float32),
            "halves": np.array([6, 6]),
            "eps": np.float32(1e-6),
            "minus": np.float32(-0.5),
            "one": np.float32(1),
            "m/divisor": draw.uniform(1, 2, (12, 1, 1)).astype(np.float32),
            "m/exponent": draw.uniform(1, 2, (12, 1, 1)).astype(np.float32),
            "i/scale": np.ones(12, np.float32),
            "i/shift": np.ones(12, np.float32),
        }
        read = {name for _, inputs, _, _ in nodes for name in inputs}
        used = {n: array for n, array in weights.items() if n in read or n[0] == "c"}
        whole = [
            ("Conv", ["x", "c1/weight", "c1/bias"], ["c1"], {"kernel_shape": [3, 3]}),
            *nodes,
            ("Conv", ["m", "c2/weight", "c2/bias"], ["y"], {"kernel_shape": [3, 3]}),
        ]
        return build(whole, used, {"x": (3, 8, 8)}, {"y": (4, 4, 4)})

    return make


def halved(network):
    grouping = find_groups(network)
    keep = {group.name: np.arange(group.size) % 2 == 0 for group in grouping.groups}
    masked = mask(fold(network, grouping, keep, None), grouping, keep)
    return masked, compact(masked, grouping, keep)


@pytest.mark.parametrize(
    ("nodes", "where"),
    [
        ([("Reciprocal", ["c1"], ["m"], {})], "'m' (Reciprocal)"),
        ([("Log", ["c1"], ["m"], {})], "'m' (Log)"),
        ([("Pow", ["c1", "minus"], ["m"], {})], "'m' (Pow)"),
        ([("Div", ["one", "c1"], ["m"], {})], "'m' (Div)"),
        ([("Div", ["c1", "c1"], ["m"], {})], "'m' (Div)"),
        ([("Sqrt", ["c1"], ["r"], {}), ("Reciprocal", ["r"], ["m"], {})], "'m' (Reciprocal)"),
        ([("Log", ["c1"], ["l"], {}), ("Sigmoid", ["l"], ["m"], {})], "'l' (Log)"),
        (UNIT, "'m' (Div)"),
        (VARIANCE, "'m' (Div)"),
        ([("ReduceLogSum", ["c1"], ["l"], SPACE), ("Mul", ["c1", "l"], ["m"], {})], "'l' (ReduceLogSum)"),
    ],
)  # fmt: skip
def test_channels_that_are_no_numbers_once_removed_stay(between, nodes, where):
    grouping = find_groups(between(nodes))
    assert grouping.groups == ()
    found = {row.layer: row.reason for row in grouping.protected}
    assert found["c1"] == f"no finite number at {where} once removed"


@pytest.mark.parametrize(
    "nodes",
    [
        GUARDED,
        [("Sqrt", ["c1"], ["m"], {})],
        [("Add", ["c1", "one"], ["a"], {}), ("Log", ["a"], ["m"], {})],
        [("Exp", ["c1"], ["e"], {}), ("Reciprocal", ["e"], ["m"], {})],
        [("Clip", ["c1", "eps"], ["a"], {}), ("Reciprocal", ["a"], ["m"], {})],
        [("Div", ["c1", "m/divisor"], ["m"], {})],  # the mask must not make the divisor zero
        [("Pow", ["c1", "m/exponent"], ["m"], {})],
        [(*INSTANCE, {"epsilon": 1e-5})],
        [("LpNormalization", ["c1"], ["m"], {"axis": 2, "p": 2})],
    ],
)
def test_channels_with_a_finite_rest_go(between, nodes):
    network = between(nodes)
    assert [group.name for group in find_groups(network).groups] == ["c1"]
    masked, smaller = halved(network)
    assert infer_shapes(smaller.model)["c1"][1] == 6
    assert prove(masked, smaller).error <= 1e-5


def test_only_the_channels_behind_the_operator_stay(between):
    """Half of the channels go through 1/x, half go on as they are."""
    parts = [
        ("Split", ["c1", "halves"], ["first", "second"], {"axis": 1}),
        ("Reciprocal", ["first"], ["inverse"], {}),
        ("Concat", ["inverse", "second"], ["m"], {"axis": 1}),
    ]
    grouping = find_groups(between(parts))
    assert [group.size for group in grouping.groups] == [6]
    assert [(row.layer, row.channels) for row in grouping.protected] == [("c1", 6), ("y", 4)]
    masked, smaller = halved(between(parts))
    assert prove(masked, smaller).error <= 1e-5


def test_a_bias_no_file_holds_is_what_remains(between):
    """Such a bias is not masked: 1/x of it is a number."""
    network = between([("Reciprocal", ["c1"], ["m"], {})])
    unbound = {name: b for name, b in network.bindings.items() if name != "c1/bias"}
    network = attrs.evolve(network, bindings=unbound)
    assert [group.name for group in find_groups(network).groups] == ["c1"]
    masked, smaller = halved(network)
    assert prove(masked, smaller).error <= 1e-5


def test_an_excluded_layer_keeps_its_reason(between):
    network = between([("Reciprocal", ["c1"], ["m"], {})])
    found = {row.layer: row.reason for row in find_groups(network, ("c1",)).protected}
    assert found["c1"] == "excluded"
