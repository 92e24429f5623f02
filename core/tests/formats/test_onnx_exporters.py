"""Operators, names, metadata and sizes as exporters write them."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from prunus.compaction import compact
from prunus.compaction.compact import identity
from prunus.errors import ModelError
from prunus.formats import onnx_file
from prunus.formats.onnx_read import read_onnx
from prunus.grouping import find_groups
from prunus.masking import mask
from prunus.network import Destination, Source
from prunus.proof import compare
from prunus.testing.exported import FIRST, LAST, check, conv, kinds, save, weight, whole


def classifier(*middle):
    """conv, what is given, fully connected on 64 numbers."""
    return [
        conv("x", "w", "a"),
        *middle,
        helper.make_node("Gemm", ["flat", "f"], ["y"], transB=1),
    ]


FC = weight("f", 5, 64)


@pytest.mark.parametrize(("opset", "attributes"), [(17, {}), (18, {"num_outputs": 2})])
def test_parts_that_were_equal_may_lose_different_numbers(tmp_path, opset, attributes):
    nodes = [
        conv("x", "w", "a"),
        helper.make_node("Split", ["a"], ["p", "q"], axis=1, **attributes),
        conv("p", "w3", "b"),
        helper.make_node("Concat", ["q", "b"], ["c"], axis=1),
        conv("c", "w2", "y"),
    ]
    weights = [FIRST, LAST, weight("w3", 2, 2, 1, 1)]
    path = save(tmp_path / "m.onnx", nodes, weights, [1, 3, 4, 4], opset, output=[1, 2, 4, 4])
    network = check(path, 1)
    grouping = find_groups(network)
    keep = {group.name: np.ones(group.size, bool) for group in grouping.groups}
    first = next(group for group in grouping.groups if "a" in group.layers)
    keep[first.name] = np.arange(first.size) != 0
    masked = mask(network, grouping, keep)
    assert compare(masked.model, compact(masked, grouping, keep).model).error <= 1e-5


def test_chains_of_shapes_become_constants(tmp_path):
    """PyTorch's view(x.size(0), -1)."""
    nodes = classifier(
        helper.make_node("Shape", ["a"], ["s"]),
        helper.make_node("Gather", ["s", "first"], ["n"], axis=0),
        helper.make_node("Unsqueeze", ["n"], ["u"], axes=[0]),
        helper.make_node("Concat", ["u", "rest"], ["shape"], axis=0),
        helper.make_node("Reshape", ["a", "shape"], ["flat"]),
    )
    weights = [FIRST, FC, whole("first", 0), whole("rest", [-1])]
    network = check(save(tmp_path / "m.onnx", nodes, weights, ["N", 3, 4, 4], opset=11), 0)
    assert kinds(network) == ["Conv", "Reshape", "Gemm"]


def test_constants_and_identities_become_initializers(tmp_path):
    nodes = [
        conv("x", "w", "a"),
        helper.make_node("Constant", [], ["size"], value=whole("", [4, 4])),
        helper.make_node("ConstantOfShape", ["size"], ["half"], value=weight("", 1)),
        helper.make_node("Add", ["a", "half"], ["b"]),
        helper.make_node("Identity", ["w2"], ["same"]),
        conv("b", "same", "y"),
    ]
    network = check(save(tmp_path / "m.onnx", nodes, [FIRST, LAST], ["N", 3, 4, 4]), 0)
    assert kinds(network) == ["Conv", "Add", "Conv"]


OLD = {
    7: (
        [
            helper.make_node("BatchNormalization", ["a", "g", "b", "m", "v"], ["n"]),
            helper.make_node("Dropout", ["n"], ["z"], ratio=0.5),
        ],
        [*(weight(name, 4) for name in "gbm"), numpy_helper.from_array(np.ones(4, "f4"), "v")],
    ),
    8: ([helper.make_node("Pad", ["a"], ["z"], pads=[0, 0, 1, 1, 0, 0, 1, 1])], []),
    9: (
        [
            helper.make_node("Clip", ["a"], ["n"], min=0.0, max=6.0),
            helper.make_node("Upsample", ["n", "scales"], ["z"], mode="nearest"),
        ],
        [numpy_helper.from_array(np.array([1, 1, 2, 2], np.float32), "scales")],
    ),
    10: (
        [
            helper.make_node("Split", ["a"], ["p", "q"], axis=1, split=[1, 3]),
            helper.make_node("Concat", ["q", "p"], ["z"], axis=1),
        ],
        [],
    ),
    12: (
        [
            helper.make_node("Squeeze", ["a"], ["s"], axes=[2]),
            helper.make_node("Unsqueeze", ["s"], ["z"], axes=[2]),
        ],
        [],
    ),
    18: ([helper.make_node("Mish", ["a"], ["z"])], []),
    20: (
        [
            helper.make_node("ReduceMean", ["a", "axes"], ["n"]),
            helper.make_node("Gelu", ["n"], ["z"]),
        ],
        [whole("axes", [2, 3])],
    ),
}


@pytest.mark.parametrize("opset", OLD)
def test_operator_versions(tmp_path, opset):
    middle, weights = OLD[opset]
    nodes = [conv("x", "w", "a"), *middle, conv("z", "w2", "y")]
    sizes = [1, 3, 1, 4] if opset == 12 else [1, 3, 4, 4]
    path = save(tmp_path / "m.onnx", nodes, [FIRST, LAST, *weights], sizes, opset)
    network = check(path, 1)
    grouping = find_groups(network)
    assert grouping.groups
    keep = {group.name: np.arange(group.size) % 2 == 0 for group in grouping.groups}
    masked = mask(network, grouping, keep)
    assert compare(masked.model, compact(masked, grouping, keep).model).error <= 1e-5


def test_nodes_without_names_are_called_by_what_they_make(tmp_path):
    nodes = [conv("x", "w", "a"), conv("a", "w2", "y")]
    network = read_onnx(save(tmp_path / "m.onnx", nodes, [FIRST, LAST], ["N", 3, 4, 4]), None)
    assert list(network.layers) == ["a", "y"]
    assert {name: b.layer for name, b in network.bindings.items()} == {"w": "a", "w2": "y"}


def test_names_used_twice_are_told_apart(tmp_path):
    nodes = [conv("x", "w", "a", name="conv"), conv("a", "w2", "y", name="conv")]
    network = read_onnx(save(tmp_path / "m.onnx", nodes, [FIRST, LAST], ["N", 3, 4, 4]), None)
    assert list(network.layers) == ["conv", "conv#2"]


def test_metadata_survives_writing(tmp_path):
    nodes = [conv("x", "w", "a"), conv("a", "w2", "y")]
    path = save(tmp_path / "m.onnx", nodes, [FIRST, LAST], ["N", 3, 4, 4], output=["N", 2, 4, 4])
    (tmp_path / "out").mkdir()
    written = write(read_onnx(path, None), tmp_path / "out")
    model = onnx.load(written.model)
    assert (model.producer_name, model.doc_string) == ("exporter", "a model")
    assert {entry.key: entry.value for entry in model.metadata_props} == {"author": "somebody"}
    assert (model.graph.name, model.graph.doc_string) == ("exported", "a graph")
    assert [value.name for value in model.graph.input] == ["x"]
    assert [value.name for value in model.graph.output] == ["y"]
    onnx.checker.check_model(model, full_check=True)


def write(network, directory):
    return onnx_file.prunus_compact(
        "onnx", network, identity(network), Destination(directory, "compact")
    )


def test_weights_beside_the_model(tmp_path):
    nodes = [conv("x", "w", "a"), conv("a", "w2", "y")]
    how = {"save_as_external_data": True, "location": "m.bin", "size_threshold": 0}
    path = save(tmp_path / "m.onnx", nodes, [FIRST, LAST], ["N", 3, 4, 4], **how)
    assert (tmp_path / "m.bin").exists()
    check(path, 0)
    (tmp_path / "m.bin").unlink()
    with pytest.raises(ModelError, match="weights stored beside the model are missing"):
        read_onnx(path, None)


def test_more_than_one_file_can_hold_is_written_beside_the_model(tmp_path, monkeypatch):
    nodes = [conv("x", "w", "a"), conv("a", "w2", "y")]
    path = save(
        tmp_path / "m.onnx",
        nodes,
        [weight("w", 40, 3, 8, 8), weight("w2", 2, 40, 1, 1)],
        ["N", 3, 16, 16],
    )
    network = read_onnx(path, None)
    monkeypatch.setattr("prunus.formats.onnx_save._LARGEST", 1000)
    (tmp_path / "out").mkdir()
    written = write(network, tmp_path / "out")
    assert [other.name for other in written.others] == ["m.onnx.data"]
    assert written.model.stat().st_size < 2000
    again = onnx_file.prunus_load("onnx", Source(written.model))
    assert all(np.array_equal(a, again.weights()[n]) for n, a in network.weights().items())


def test_values_read_by_a_sub_graph_stay(tmp_path):
    def branch(name, kind):
        out = helper.make_tensor_value_info(name, TensorProto.FLOAT, None)
        return helper.make_graph([helper.make_node(kind, ["a", "two"], [name])], name, [], [out])

    choice = helper.make_node(
        "If",
        ["yes"],
        ["i"],
        name="choice",
        then_branch=branch("t", "Mul"),
        else_branch=branch("e", "Add"),
    )
    nodes = [conv("x", "w", "a", name="conv"), choice, conv("i", "w2", "y", name="last")]
    two = numpy_helper.from_array(np.float32(2), "two")
    yes = numpy_helper.from_array(np.array(True), "yes")
    network = check(save(tmp_path / "m.onnx", nodes, [FIRST, LAST, two, yes], ["N", 3, 4, 4]), 0)
    assert network.frozen["a"] == "feeds a sub-graph of 'choice' of type 'If'"
    reasons = {entry.layer: entry.reason for entry in find_groups(network).protected}
    assert reasons["conv"] == "feeds a sub-graph of 'choice' of type 'If'"


def test_layers_inside_a_sub_graph_are_said_and_stay(tmp_path):
    """The branch has a convolution of its own, and shares the last layer's weight."""

    def branch(name, weights):
        out = helper.make_tensor_value_info(name, TensorProto.FLOAT, None)
        own = [weight(f"{name}_own", 2, 4, 1, 1)] if weights is None else []
        node = conv("a", weights or f"{name}_own", name, name="inside")
        return helper.make_graph([node], name, [], [out], own)

    choice = helper.make_node(
        "If", ["yes"], ["i"], "choice", then_branch=branch("t", "w2"), else_branch=branch("e", None)
    )
    nodes = [
        conv("x", "w", "a", name="first"),
        helper.make_node("Relu", ["a"], ["r"]),
        conv("x", "w", "other", name="shared"),
        conv("other", "w2", "z", name="last"),
        choice,
        helper.make_node("Add", ["z", "i"], ["y"]),
    ]
    yes = numpy_helper.from_array(np.array(True), "yes")
    network = check(save(tmp_path / "m.onnx", nodes, [FIRST, LAST, yes], ["N", 3, 4, 4]), 0)
    assert network.notes == (
        "'choice' (If) holds 2 convolutions or fully connected layers: their MACs are not counted, "
        "and they stay as they are",
    )
    assert network.frozen["w2"] == "feeds a sub-graph of 'choice' of type 'If'"
    assert not find_groups(network).groups


def refused(path, message, option=None):
    with pytest.raises(ModelError) as caught:
        read_onnx(path, option)
    assert str(caught.value) == message.format(path=path)


def test_all_operators_nobody_has_are_named(tmp_path):
    nodes = [
        conv("x", "w", "a"),
        helper.make_node("Foo", ["a"], ["b"], name="foo", domain="acme"),
        helper.make_node("Reluu", ["b"], ["c"], name="bar"),
        conv("c", "w2", "y"),
    ]
    path = save(tmp_path / "m.onnx", nodes, [FIRST, LAST], ["N", 3, 4, 4], domains=("acme",))
    refused(
        path,
        "{path}: ONNX Runtime has no operator for 'foo' of type 'acme::Foo', 'bar' of type "
        "'Reluu'; cut the model before them, or export it with standard operators",
    )


def test_bad_files(tmp_path):
    refused(tmp_path / "absent.onnx", "{path}: no such file")
    empty = tmp_path / "empty.onnx"
    empty.write_bytes(b"")
    refused(empty, "{path}: holds no graph; is it an ONNX model and complete?")
    text = tmp_path / "text.onnx"
    text.write_text("dear consumer")
    with pytest.raises(ModelError, match="not a readable ONNX file .*; is it complete"):
        read_onnx(text, None)
    bad = np.full((4, 3, 1, 1), np.nan, np.float32)
    weights = [numpy_helper.from_array(bad, "w"), LAST]
    nodes = [conv("x", "w", "a"), conv("a", "w2", "y")]
    path = save(tmp_path / "nan.onnx", nodes, weights, ["N", 3, 4, 4])
    refused(path, "{path}: initializer 'w' holds NaN or infinite numbers")


def test_input_sizes(tmp_path):
    nodes = [conv("x", "w", "a"), conv("a", "w2", "y")]
    path = save(tmp_path / "m.onnx", nodes, [FIRST, LAST], ["N", 3, "H", "W"])
    refused(
        path,
        "{path}: input 'x' has no fixed size on axis 2; "
        "give one with --option input-shape=1x3x224x224",
    )
    refused(path, "input-shape=1x5x4x4: axis 1 of input 'x' of {path} has size 3", "1x5x4x4")
    refused(path, "input-shape=1x3x4: input 'x' of {path} has 4 axes", "1x3x4")
    refused(path, "input-shape=big: write sizes as 1x3x224x224", "big")
    check(path, 0, "1x3x6x5")


def two_inputs(path, second, sizes=("N", 3, "H", "W")):
    """A convolution of ``x`` and, where the second input has axes, an addition of it."""
    info = helper.make_tensor_value_info
    nodes = [conv("x", "w", "a"), helper.make_node("Add", ["a", "k:0"], ["y"])]
    ends = [info("x", TensorProto.FLOAT, sizes), info("k:0", TensorProto.FLOAT, second)]
    graph = helper.make_graph(nodes, "two", ends, [info("y", TensorProto.FLOAT, None)], [FIRST])
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), path)
    return path


def test_sizes_of_several_inputs(tmp_path):
    path = two_inputs(tmp_path / "m.onnx", ["N", 4, "H", "W"])
    network = read_onnx(path, "x:1x3x6x5,k:0:1x4x6x5")
    assert [str(value.shape) for value in network.model.graph.inputs] == ["[N,3,6,5]", "[N,4,6,5]"]
    missing = "{path}: input 'k:0' has no fixed size on axis 2; give one with --option input-shape=k:0:1x4x224x224"
    refused(path, missing, "1x3x6x5")
    refused(path, "input-shape=z:1x5: {path} has no input 'z'; it has x, k:0", "z:1x5")


def test_an_input_without_axes(tmp_path):
    path = two_inputs(tmp_path / "m.onnx", [], [1, 3, 4, 4])
    refused(
        path,
        "{path}: input 'k:0' is one number for all samples; export the model with it as a constant",
    )


def test_masks_of_minus_infinity(tmp_path):
    mask_of = numpy_helper.from_array(np.array([0, 0, -np.inf, -np.inf], np.float32), "mask")
    nodes = [
        conv("x", "w", "a"),
        helper.make_node("Add", ["a", "mask"], ["m"]),
        helper.make_node("Softmax", ["m"], ["s"], axis=-1),
        conv("s", "w2", "y"),
    ]
    check(save(tmp_path / "m.onnx", nodes, [FIRST, LAST, mask_of], ["N", 3, 4, 4]), 0)
    endless = numpy_helper.from_array(np.full((4, 3, 1, 1), -np.inf, np.float32), "w")
    path = save(tmp_path / "m.onnx", nodes, [endless, LAST, mask_of], ["N", 3, 4, 4])
    refused(path, "{path}: initializer 'w' holds NaN or infinite numbers")


def test_numbers_of_a_formula_are_no_weights(tmp_path):
    nodes = [
        conv("x", "w", "a"),
        helper.make_node("Mul", ["a", "half"], ["h"]),
        helper.make_node("Mul", ["h", "gain"], ["g"]),
        conv("g", "w2", "y"),
    ]
    half = numpy_helper.from_array(np.float32(0.5), "half")
    weights = [FIRST, LAST, half, weight("gain", 4, 1, 1)]
    network = check(save(tmp_path / "m.onnx", nodes, weights, [1, 3, 4, 4], output=[1, 2, 4, 4]), 1)
    assert sorted(network.bindings) == ["gain", "w", "w2"]
