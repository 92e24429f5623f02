from __future__ import annotations

import numpy as np
import pytest

MAP = {"y": (6, 4, 4)}


def ones(*shape):
    return np.ones(shape, np.float32)


OTHER = ("Conv", ["x", "e/weight"], ["e"], {})


@pytest.mark.parametrize(
    "operator", ["Add", "Sub", "Mul", "Div", "Max", "Min", "Sum", "Mean", "Pow"]
)
def test_equal_positions_go_together(label, after_conv, operator):
    node = (operator, ["c", "e"], ["y"], {})
    found = label(after_conv([OTHER, node], MAP, {"e/weight": ones(6, 2, 1, 1)}))
    assert found.channels("c") == found.channels("e") == found.channels("y")
    assert len(set(found.channels("y"))) == 6


def test_a_gate_of_one_pixel_goes_with_the_channels(label, after_conv):
    nodes = [OTHER, ("GlobalAveragePool", ["e"], ["p"], {}), ("Mul", ["c", "p"], ["y"], {})]
    found = label(after_conv(nodes, MAP, {"e/weight": ones(6, 2, 1, 1)}))
    assert found.channels("p") == found.channels("c")


def test_one_map_for_all_channels_stays(label, after_conv):
    """Spatial attention: the map has one channel, which every other needs."""
    node = ("Mul", ["c", "e"], ["y"], {})
    found = label(after_conv([OTHER, node], MAP, {"e/weight": ones(1, 2, 1, 1)}))
    assert found.frozen("e") == {"broadcast over the channels of 'y'"}
    assert len(set(found.channels("c"))) == 6


@pytest.mark.parametrize(
    ("operator", "shape", "wanted"),
    [
        ("Mul", (6, 1, 1), ("scale", 0)),
        ("Add", (1, 6, 1, 1), ("shift", 1)),
        ("Add", (6, 4, 4), ("shift", 0)),
        ("Add", (1,), None),
        ("Add", (4,), None),  # along the width
    ],
)
def test_constants_follow_along_the_channel_axis(label, after_conv, operator, shape, wanted):
    node = (operator, ["c", "k"], ["y"], {})
    found = label(after_conv([node], MAP, {"k": ones(*shape)}))
    own = [(r.role, r.axis) for r in found.found.records if r.initializer == "k"]
    assert own == ([] if wanted is None else [wanted])


def test_slopes(label, after_conv):
    found = label(after_conv([("PRelu", ["c", "k"], ["y"], {})], MAP, {"k": ones(6, 1, 1)}))
    assert [(r.role, r.axis) for r in found.found.records if r.initializer == "k"] == [("slope", 0)]
    nodes = [("Relu", ["k"], ["s"], {}), ("PRelu", ["c", "s"], ["y"], {})]
    computed = label(after_conv(nodes, MAP, {"k": ones(6, 1, 1)}))
    assert "feeds 'y', whose slope is computed" in computed.frozen("c")


def test_two_constants_make_a_constant(label, after_conv):
    nodes = [("Add", ["k", "k"], ["s"], {}), ("Mul", ["c", "s"], ["y"], {})]
    found = label(after_conv(nodes, MAP, {"k": ones(1)}))
    assert found.frozen("s") == {"constant 's'"}


def test_a_bias_for_each_head_and_a_mask_for_each_window(label, after_conv):
    """Both are constants, and their sum is one for each head and window (Swin)."""
    nodes = [
        ("Expand", ["mask", "windows"], ["e"], {}),
        ("Add", ["b/shift", "e"], ["a"], {}),
        ("Add", ["c", "a"], ["y"], {}),
    ]
    weights = {
        "mask": np.ones((1, 1, 4, 4), np.float32),
        "windows": np.array([1, 1, 4, 4]),
        "b/shift": np.ones((1, 6, 4, 4), np.float32),
    }
    found = label(after_conv(nodes, {"y": (6, 4, 4)}, weights))
    assert found.channels("a") == found.channels("c")
    assert ("b/shift", "shift", 1) in {(r.initializer, r.role, r.axis) for r in found.found.records}
