from __future__ import annotations

import numpy as np
import pytest

MAP = {"y": (6, 4, 4)}


@pytest.mark.parametrize("operator", ["Relu", "Sigmoid", "HardSwish", "Identity", "Neg", "Clip"])
def test_one_input_operators_keep_every_channel_where_it_is(label, after_conv, operator):
    found = label(after_conv([(operator, ["c"], ["y"], {})], MAP))
    assert found.channels("y") == found.channels("c")
    assert len(set(found.channels("y"))) == 6


@pytest.mark.parametrize(
    ("operator", "attributes", "shape"),
    [
        ("MaxPool", {"kernel_shape": [2, 2], "strides": [2, 2]}, (6, 2, 2)),
        ("AveragePool", {"kernel_shape": [2, 2]}, (6, 3, 3)),
        ("GlobalAveragePool", {}, (6, 1, 1)),
        ("GlobalMaxPool", {}, (6, 1, 1)),
    ],
)
def test_pooling_changes_space_only(label, after_conv, operator, attributes, shape):
    found = label(after_conv([(operator, ["c"], ["y"], attributes)], {"y": shape}))
    assert found.channels("y") == found.channels("c")
    assert found.found.dims["y"] == (1, *shape)


def test_pooling_ties_channels_that_share_a_place(label, after_conv):
    """Behind a depth-to-space a channel is made by four; it goes whole or stays."""
    nodes = [
        ("DepthToSpace", ["c"], ["d"], {"blocksize": 2}),
        ("MaxPool", ["d"], ["y"], {"kernel_shape": [2, 2]}),
    ]
    found = label(after_conv(nodes, {"y": (2, 7, 7)}, channels=8))
    assert len(set(found.channels("y"))) == 2
    assert found.channels("c") == found.channels("y") * 4  # DCR: every second channel


def test_an_operator_without_a_rule_blocks_what_it_touches(label, after_conv):
    found = label(
        after_conv([("CumSum", ["c", "k"], ["y"], {})], MAP, {"k": np.array(2, np.int64)})
    )
    assert found.frozen("c") == {"feeds 'y' of unknown type 'CumSum'"}
    assert found.frozen("y") == {"made by 'y' of type 'CumSum'"}


def test_an_operator_nobody_knows_has_no_size(label, after_conv):
    network = after_conv([("Hardmax", ["c"], ["h"], {"axis": 0}), ("Relu", ["h"], ["y"], {})], MAP)
    next(node for node in network.model.graph if node.name == "h").op_type = "Foo"
    for node in network.model.graph:
        for value in node.outputs:
            value.shape = None
    reason = "feeds 'h', whose size depends on the data"
    assert label(network).frozen("c") == {reason}


def test_a_second_output_is_nothing_to_build_on(label, after_conv):
    nodes = [
        ("MaxPool", ["c"], ["y", "places"], {"kernel_shape": [2, 2]}),
        ("Cast", ["places"], ["z"], {"to": 1}),
    ]
    found = label(after_conv(nodes, {"y": (6, 3, 3), "z": (6, 3, 3)}))
    assert found.frozen("c") == {"'y' gives indices 'places' of all channels"}


def test_constants_have_no_channels(label, after_conv):
    nodes = [
        ("Shape", ["c"], ["s"], {}),
        ("ConstantOfShape", ["s"], ["zeros"], {}),
        ("Add", ["c", "zeros"], ["y"], {}),
    ]
    found = label(after_conv(nodes, MAP))
    assert found.frozen("s") == {"constant 's'"}
    assert np.unique(found.of("s")).size == 1
