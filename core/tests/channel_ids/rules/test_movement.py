"""The labels must move as ONNX Runtime moves numbers: every case is compared with a run."""

from __future__ import annotations

import numpy as np
import pytest

from prunus.evaluation.session import Session


def ints(*numbers):
    return np.array(numbers, np.int64)


CASES = {
    "transpose": ([("Transpose", ["c"], ["y"], {"perm": [0, 3, 1, 2]})], (4, 6, 4), {}),
    "reverse": ([("Transpose", ["c"], ["t"], {"perm": [3, 2, 1, 0]}), ("Transpose", ["t"], ["y"], {})], (6, 4, 4), {}),
    "slice": ([("Slice", ["c", "s", "e", "a"], ["y"], {})], (3, 4, 4), {"s": ints(2), "e": ints(5), "a": ints(1)}),
    "slice to the end": ([("Slice", ["c", "s", "e", "a"], ["y"], {})], (2, 4, 4), {"s": ints(-2), "e": ints(2**62), "a": ints(1)}),
    "slice of space": ([("Slice", ["c", "s", "e", "a", "p"], ["y"], {})], (6, 2, 4), {"s": ints(0), "e": ints(4), "a": ints(-2), "p": ints(2)}),
    "gather": ([("Gather", ["c", "i"], ["y"], {"axis": 1})], (4, 4, 4), {"i": ints(5, 0, 0, -2)}),
    "gather one": ([("Gather", ["c", "i"], ["g"], {"axis": 1}), ("Unsqueeze", ["g", "one"], ["y"], {})], (1, 4, 4), {"i": np.array(3), "one": ints(1)}),
    "pad": ([("Pad", ["c", "p"], ["y"], {})], (6, 6, 5), {"p": ints(0, 0, 1, 0, 0, 0, 1, 1)}),
    "unsqueeze and back": ([("Unsqueeze", ["c", "a"], ["u"], {}), ("Squeeze", ["u", "a"], ["y"], {})], (6, 4, 4), {"a": ints(2)}),
    "expand": ([("GlobalMaxPool", ["c"], ["p"], {}), ("Expand", ["p", "s"], ["y"], {})], (6, 3, 2), {"s": ints(1, 1, 3, 2)}),
    "tile": ([("Tile", ["c", "r"], ["y"], {})], (12, 4, 8), {"r": ints(1, 2, 1, 2)}),
    "flatten": ([("Flatten", ["c"], ["y"], {})], (96,), {}),
    "shuffle": ([("Reshape", ["c", "s"], ["r"], {}), ("Transpose", ["r"], ["t"], {"perm": [0, 2, 1, 3, 4]}), ("Reshape", ["t", "b"], ["y"], {})], (6, 4, 4), {"s": ints(0, 2, 3, 4, 4), "b": ints(0, 6, 4, 4)}),
    "space to depth": ([("SpaceToDepth", ["c"], ["y"], {"blocksize": 2})], (24, 2, 2), {}),
    "concat": ([("Relu", ["c"], ["r"], {}), ("Concat", ["c", "r", "c"], ["y"], {"axis": 1})], (18, 4, 4), {}),
    "concat of places": ([("Relu", ["c"], ["r"], {}), ("Concat", ["c", "r"], ["y"], {"axis": 2})], (6, 8, 4), {}),
    "split": ([("Split", ["c", "n"], ["u", "v"], {"axis": 1}), ("Concat", ["v", "u"], ["y"], {"axis": 1})], (6, 4, 4), {"n": ints(2, 4)}),
    "equal split": ([("Split", ["c"], ["u", "v"], {"axis": 1}), ("Concat", ["v", "u"], ["y"], {"axis": 1})], (6, 4, 4), {}),
    "max of space": ([("ReduceMax", ["c"], ["y"], {"axes": [2, 3], "keepdims": 0})], (6,), {}),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_labels_move_with_the_numbers(label, after_conv, name):
    nodes, shape, weights = CASES[name]
    moves(label, after_conv(nodes, {"y": shape}, weights), 6)


@pytest.mark.parametrize("mode", ["DCR", "CRD"])
def test_depth_to_space_of_both_modes(label, after_conv, mode):
    nodes = [("DepthToSpace", ["c"], ["y"], {"blocksize": 2, "mode": mode})]
    moves(label, after_conv(nodes, {"y": (2, 8, 8)}, channels=8), 8)


def moves(label, network, count):
    """Channel c of the convolution is c + 1 everywhere: outputs tell where they come from."""
    filters = np.zeros((count, 2, 1, 1), np.float32)
    filters[:, 0, 0, 0] = np.arange(1, count + 1)
    run = Session(network.with_weights({"c/weight": filters}).model)
    origin = run.run({"x": np.ones((1, 2, 4, 4), np.float32)})["y"].astype(int)
    found = label(network)
    units = np.r_[-1, found.channels("c")]
    wanted, labels = units[origin], found.of("y")
    moved = origin > 0  # padded places hold nothing
    assert labels.shape == origin.shape
    assert np.array_equal(labels[moved], wanted[moved])


def test_padded_channels_are_units_of_their_own(label, after_conv):
    nodes = [("Pad", ["c", "p"], ["y"], {})]
    found = label(after_conv(nodes, {"y": (9, 4, 4)}, {"p": ints(0, 1, 0, 0, 0, 2, 0, 0)}))
    channels = found.channels("y")
    assert channels[1:7] == found.channels("c")
    assert len(set(channels)) == 9


def test_constants_of_a_concat_are_units_of_their_own(label, after_conv):
    nodes = [("Concat", ["c", "k"], ["y"], {"axis": 1})]
    found = label(after_conv(nodes, {"y": (8, 4, 4)}, {"k": np.ones((1, 2, 4, 4), np.float32)}))
    assert found.channels("y")[:6] == found.channels("c")
    assert [(r.role, r.axis) for r in found.found.records if r.initializer == "k"] == [
        ("constant", 1)
    ]


def test_a_constant_joined_twice_is_the_same_channels(label, after_conv):
    nodes = [("Concat", ["k", "c", "k"], ["y"], {"axis": 1})]
    found = label(after_conv(nodes, {"y": (10, 4, 4)}, {"k": np.ones((1, 2, 4, 4), np.float32)}))
    channels = found.channels("y")
    assert channels[:2] == channels[8:]
    assert len(set(channels)) == 8
    assert len([r for r in found.found.records if r.initializer == "k"]) == 1


def test_what_is_computed_from_constants_stays_in_a_concat(label, after_conv):
    nodes = [("Relu", ["k"], ["r"], {}), ("Concat", ["c", "r"], ["y"], {"axis": 1})]
    found = label(after_conv(nodes, {"r": (2, 4, 4), "y": (8, 4, 4)}, {"k": np.ones((1, 2, 4, 4), np.float32)}))  # fmt: skip
    assert found.channels("y")[:6] == found.channels("c")
    assert "joined with constants at 'y'" in found.frozen("r")


@pytest.mark.parametrize(
    ("nodes", "shape", "weights", "reason"),
    [
        ([("Slice", ["c", "s", "e", "a", "p"], ["y"], {})], (3, 4, 4), {"s": ints(0), "e": ints(6), "a": ints(1), "p": ints(2)}, "'y' takes every 2th channel"),
        ([("Pad", ["c", "p"], ["y"], {"mode": "reflect"})], (8, 4, 4), {"p": ints(0, 1, 0, 0, 0, 1, 0, 0)}, "'y' pads channels in a way that ties them"),
        ([("Pad", ["c", "p"], ["y"], {})], (4, 4, 4), {"p": ints(0, -1, 0, 0, 0, -1, 0, 0)}, "'y' pads channels in a way that ties them"),
    ],
)  # fmt: skip
def test_movements_that_block(label, after_conv, nodes, shape, weights, reason):
    assert reason in label(after_conv(nodes, {"y": shape}, weights)).frozen("c")


def test_a_channel_taken_by_its_number_stays(label, after_conv):
    found = label(
        after_conv([("Gather", ["c", "i"], ["y"], {"axis": 1})], {"y": (4, 4)}, {"i": np.array(3)})
    )
    assert [root in found.found.frozen for root in found.channels("c")] == [False] * 3 + [True] + [
        False
    ] * 2


def test_a_row_taken_by_its_number_is_one_of_as_many_as_before(label, after_conv):
    nodes = [("Reshape", ["c", "s"], ["r"], {}), ("Gather", ["r", "i"], ["y"], {"axis": 1})]
    found = label(after_conv(nodes, {"y": (3, 4, 4)}, {"s": ints(0, 2, 3, 4, 4), "i": np.array(1)}))
    assert [rows.fixed for rows in found.found.rows] == [False, True]
    assert (
        found.found.rows[1].labels.tolist() == np.reshape(found.found.values["c"], (2, 3)).tolist()
    )
