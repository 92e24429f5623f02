"""Files that hold the exported batch give their own numbers for any number of samples."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from onnx import TensorProto, helper, numpy_helper

from prunus.compaction import compact
from prunus.errors import ModelError
from prunus.evaluation.session import Session
from prunus.formats.onnx_batch import forget_shapes
from prunus.formats.onnx_read import read_onnx
from prunus.grouping import find_groups
from prunus.masking import mask
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


@pytest.mark.parametrize("zeros", [{}, {"allowzero": 1}])
def test_reshape_to_a_fixed_batch(tmp_path, zeros):
    """PyTorch's newer exporter takes a zero for a size."""
    nodes = classifier(helper.make_node("Reshape", ["a", "shape"], ["flat"], **zeros))
    path = save(
        tmp_path / "m.onnx",
        nodes,
        [FIRST, FC, whole("shape", [1, 64])],
        [1, 3, 4, 4],
        output=[1, 5],
    )
    network = check(path, 1)
    assert str(network.model.graph.outputs[0].shape) == "[N,5]"


def test_reshape_that_folds_the_batch_and_takes_it_out_again(tmp_path):
    """The heads of SSD-like nets: (1, C, H, W) -> (places, classes) -> (1, places, classes)."""
    nodes = [
        conv("x", "w", "a"),
        helper.make_node("Transpose", ["a"], ["t"], perm=[0, 2, 3, 1]),
        helper.make_node("Reshape", ["t", "flat"], ["r"]),
        helper.make_node("Softmax", ["r"], ["s"], axis=1),
        helper.make_node("Reshape", ["s", "back"], ["y"]),
    ]
    shapes = [whole("flat", [-1, 2]), whole("back", [1, -1, 2])]
    network = check(save(tmp_path / "m.onnx", nodes, [FIRST, *shapes], [1, 3, 4, 4]), 1)
    assert Session(network.model).run({"x": np.ones((3, 3, 4, 4), np.float32)})["y"].shape == (
        3,
        32,
        2,
    )


def test_windows_folded_into_the_batch_by_computed_shapes(tmp_path):
    """Swin: (N, C, H, W) -> (N·windows, places, C) -> (N, windows, places, C), N read off the data."""
    nodes = [
        conv("x", "w", "a"),
        helper.make_node("Shape", ["a"], ["s"]),
        helper.make_node("Gather", ["s", "first"], ["n"]),
        helper.make_node("Reshape", ["a", "windows"], ["r"]),
        helper.make_node("MatMul", ["r", "m"], ["o"]),
        helper.make_node("Concat", ["n", "rest"], ["target"], axis=0),
        helper.make_node("Reshape", ["o", "target"], ["y"]),
    ]
    weights = [FIRST, weight("m", 4, 5), whole("first", [0]), whole("windows", [-1, 4, 4]), whole("rest", [4, 4, 5])]  # fmt: skip
    path = save(tmp_path / "m.onnx", nodes, weights, ["n", 3, 4, 4], output=["n", 4, 4, 5])
    check(path, 3)


def test_tokens_made_once_a_sample(tmp_path):
    """ViT: a class token is expanded to the batch size and joined; the size stays computed."""
    nodes = [
        conv("x", "w", "a"),
        helper.make_node("Reshape", ["a", "rows"], ["r"]),
        helper.make_node("Shape", ["x"], ["n"], end=1),
        helper.make_node("Concat", ["n", "one", "one"], ["target"], axis=0),
        helper.make_node("Expand", ["token", "target"], ["tokens"]),
        helper.make_node("Concat", ["tokens", "r"], ["c"], axis=1),
        helper.make_node("MatMul", ["c", "m"], ["y"]),
    ]
    weights = [FIRST, weight("m", 16, 5), weight("token", 1, 1, 16), whole("rows", [0, 4, 16]), whole("one", [1])]  # fmt: skip
    path = save(tmp_path / "m.onnx", nodes, weights, ["n", 3, 4, 4], output=["n", 5, 5])
    network = check(path, 3)
    (reason,) = {found.reason for found in find_groups(network).protected if found.layer == "a"}
    assert reason == "joined with constants at 'c'"


def test_constants_joined_with_data(tmp_path):
    """CoordConv with a fixed batch: the coordinates are one for every sample."""
    nodes = [
        conv("x", "w", "a"),
        helper.make_node("Concat", ["a", "k"], ["c"], axis=1),
        conv("c", "w6", "y"),
    ]
    weights = [FIRST, weight("k", 1, 2, 4, 4), weight("w6", 2, 6, 1, 1)]
    network = check(save(tmp_path / "m.onnx", nodes, weights, [1, 3, 4, 4], output=[1, 2, 4, 4]), 1)
    assert [group.size for group in find_groups(network).groups] == [4]


def test_a_batch_that_cannot_be_freed(tmp_path):
    nodes = [conv("x", "w", "a"), helper.make_node("Add", ["a", "k"], ["y"])]
    path = save(tmp_path / "m.onnx", nodes, [FIRST, weight("k", 2, 4, 4, 4)], [2, 3, 4, 4], output=[2, 4, 4, 4])  # fmt: skip
    with pytest.raises(ModelError) as error:
        read_onnx(path, None)
    assert str(error.value) == (
        f"{path}: layer 'y' fits the exported batch size only; export the model with a dynamic batch axis"
    )


def test_resize_to_fixed_sizes(tmp_path):
    """Sizes hold the batch too: the old way gave one sample for three without a word."""
    resize = helper.make_node("Resize", ["a", "", "", "sizes"], ["u"], mode="linear")
    nodes = [conv("x", "w", "a"), resize, conv("u", "w2", "y")]
    for number, size in enumerate((8, 7, 13)):
        weights = [FIRST, LAST, whole("sizes", [1, 4, size, size])]
        check(save(tmp_path / f"{number}.onnx", nodes, weights, [1, 3, 4, 4]), 1)


def test_resize_to_sizes_no_float_gives(tmp_path):
    """Where in * (out / in) rounds below out, sizes stay sizes, read off the data."""
    height, width = next(
        (a, b)
        for a in range(3, 200)
        for b in range(a + 1, 400)
        if int(np.float32(a) * np.float32(b / a)) != b
    )
    resize = helper.make_node("Resize", ["a", "", "", "sizes"], ["u"], mode="nearest")
    nodes = [conv("x", "w", "a"), resize, conv("u", "w2", "y")]
    weights = [FIRST, LAST, whole("sizes", [1, 4, width, 4])]
    network = check(save(tmp_path / "m.onnx", nodes, weights, [1, 3, height, 4]), 1)
    assert kinds(network) == ["Conv", "Shape", "Slice", "Concat", "Resize", "Conv"]
    grouping = find_groups(network)
    keep = {"a": np.array([True, False, True, False])}
    masked = mask(network, grouping, keep)
    assert compare(masked.model, compact(masked, grouping, keep).model).error <= 1e-5


def recurrent(operator, states, lengths=None, samples=1, directions=1):
    """A convolution whose columns are a sequence for a recurrent layer of three units."""
    gates = {"LSTM": 4, "GRU": 3, "RNN": 1}[operator]
    names = [f"s{place}" for place in range(len(states))]
    rows = ["a", "w0", "r0", "", "lengths" if lengths else "", *names]
    way = "bidirectional" if directions == 2 else "forward"
    nodes = [
        conv("x", "w", "c"),
        helper.make_node("Reshape", ["c", "columns"], ["r"]),
        helper.make_node("Transpose", ["r"], ["a"], perm=[2, 0, 1]),
        helper.make_node(operator, rows, ["s"], name="memory", hidden_size=3, direction=way),
        helper.make_node("Transpose", ["s"], ["y"], perm=[2, 0, 1, 3]),
    ]
    weights = [
        FIRST,
        whole("columns", [samples, 16, 4]),
        weight("w0", directions, gates * 3, 16),
        weight("r0", directions, gates * 3, 3),
        *(numpy_helper.from_array(array, name) for name, array in zip(names, states, strict=True)),
    ]
    if lengths:
        weights.append(numpy_helper.from_array(np.array(lengths, np.int32), "lengths"))
    return nodes, weights


def one_state(directions, samples, seed):
    state = np.random.default_rng(seed).standard_normal((directions, 1, 3)).astype(np.float32)
    return np.repeat(state, samples, 1)


@pytest.mark.parametrize("samples", [1, 2])
@pytest.mark.parametrize("directions", [1, 2])
@pytest.mark.parametrize("operator", ["LSTM", "GRU", "RNN"])
def test_constant_states_of_the_exported_batch(tmp_path, operator, directions, samples):
    count = 2 if operator == "LSTM" else 1
    states = [one_state(directions, samples, seed) for seed in range(count)]
    nodes, weights = recurrent(operator, states, [3] * samples, samples, directions)
    path = save(tmp_path / "m.onnx", nodes, weights, [samples, 3, 4, 4])
    check(path, samples)


def test_states_of_zeros_are_what_a_layer_starts_from(tmp_path):
    zeros = np.zeros((1, 1, 3), np.float32)
    nodes, weights = recurrent("LSTM", [zeros, zeros])
    network = check(save(tmp_path / "m.onnx", nodes, weights, [1, 3, 4, 4]), 1)
    layer = next(node for node in network.model.graph if node.op_type == "LSTM")
    assert not any(layer.inputs[5:7])


@pytest.mark.parametrize("how", ["Constant", "ConstantOfShape"])
def test_states_that_nodes_make(tmp_path, how):
    nodes, weights = recurrent("GRU", [np.full((1, 1, 3), 0.5, np.float32)])
    del weights[-1]
    if how == "Constant":
        made = helper.make_node(how, [], ["s0"], value=weight("", 1, 1, 3))
    else:
        half = numpy_helper.from_array(np.array([0.5], np.float32), "")
        made = helper.make_node(how, ["sizes"], ["s0"], value=half)
        weights.append(whole("sizes", [1, 1, 3]))
    check(save(tmp_path / "m.onnx", [made, *nodes], weights, [1, 3, 4, 4]), 1)


def test_samples_that_start_from_states_of_their_own(tmp_path):
    states = np.random.default_rng(0).standard_normal((1, 2, 3)).astype(np.float32)
    nodes, weights = recurrent("GRU", [states], samples=2)
    path = save(tmp_path / "m.onnx", nodes, weights, [2, 3, 4, 4])
    with pytest.raises(ModelError) as caught:
        read_onnx(path, None)
    assert str(caught.value) == (
        f"{path}: layer 'memory' starts each of the 2 exported samples from a state of its own; "
        "export the model with a batch of one"
    )


def stated(name, *sizes):
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, sizes)


@pytest.mark.parametrize("opset", [9, 13, 17])
@pytest.mark.parametrize("sizes", [[1, 3, 4, 4], ["N", 3, 4, 4]])
def test_inner_shapes_that_hold_the_exported_batch_are_forgotten(tmp_path, opset, sizes):
    nodes = [conv("x", "w", "a"), helper.make_node("Relu", ["a"], ["r"]), conv("r", "w2", "y")]
    inner = [stated("a", 1, 4, 4, 4), stated("r", 1, 4, 4, 4)]
    path = save(
        tmp_path / "m.onnx", nodes, [FIRST, LAST], sizes, opset, output=[1, 2, 4, 4], inner=inner
    )
    network = read_onnx(path, None)
    assert [v.shape for node in network.model.graph for v in node.outputs][:2] == [None, None]
    assert str(network.model.graph.outputs[0].shape) == "[N,2,4,4]"
    for value in ("a", "r"):  # the rest of the network is run from here by `ana` and `prune`
        assert Session(network.model, [value]).run({"x": np.ones((3, 3, 4, 4), np.float32)})


def test_repeating_operands_of_a_larger_batch(tmp_path):
    """Expand and constants that say the same for each of two samples, and a size of pooling."""
    pooled = {"kernel_shape": [2, 2], "strides": [2, 2]}
    nodes = [
        conv("x", "w", "a"),
        helper.make_node("ReduceMean", ["a"], ["m"], axes=[2, 3], keepdims=1),
        helper.make_node("Expand", ["m", "shape"], ["e"]),
        helper.make_node("Add", ["a", "e"], ["b"]),
        helper.make_node("Mul", ["b", "k"], ["c"]),
        helper.make_node("MaxPool", ["c"], ["p", "places"], **pooled),
        helper.make_node("MaxUnpool", ["p", "places", "shape"], ["y"], **pooled),
    ]
    same = np.repeat(np.random.default_rng(0).random((1, 4, 4, 4)), 2, 0).astype(np.float32)
    weights = [FIRST, whole("shape", [2, 4, 4, 4]), numpy_helper.from_array(same, "k")]
    path = save(tmp_path / "m.onnx", nodes, weights, [2, 3, 4, 4])
    network = read_onnx(path, None)
    inputs = np.random.default_rng(1).random((5, 3, 4, 4), np.float32)
    session = Session(network.model)
    parts = [session.run({"x": inputs[place : place + 1]})["y"] for place in range(5)]
    assert np.array_equal(session.run({"x": inputs})["y"], np.concatenate(parts))
    shorter = [*nodes[:4], helper.make_node("Mul", ["b", "k"], ["y"])]
    check(save(path, shorter, weights, [2, 3, 4, 4]), 2)


def test_weights_have_the_shape_of_their_numbers(lenet):
    """A file may state another one: as an input of the graph, or among the inner values."""
    model = lenet.model.clone()
    value = next(iter(model.graph.initializers.values()))
    value.shape = ir.Shape([3])
    forget_shapes(model)
    assert tuple(value.shape) == value.const_value.numpy().shape


def test_samples_that_end_up_on_another_axis(tmp_path):
    """(places, 1, channels) and (places, channels) look the same for one sample."""
    nodes = [
        conv("x", "w", "a"),
        helper.make_node("Reshape", ["a", "rows"], ["r"]),
        helper.make_node("Transpose", ["r"], ["t"], perm=[2, 0, 1]),
        helper.make_node("Reshape", ["t", "flat"], ["f"]),
        helper.make_node("Reshape", ["f", "back"], ["b"]),
        helper.make_node("Transpose", ["b"], ["y"], perm=[1, 0, 2]),
    ]
    shapes = [whole("rows", [1, 4, 16]), whole("flat", [16, 4]), whole("back", [16, 1, 4])]
    path = save(tmp_path / "m.onnx", nodes, [FIRST, *shapes], [1, 3, 4, 4])
    with pytest.raises(ModelError) as caught:
        read_onnx(path, None)
    assert str(caught.value) == (
        f"{path}: output 'y' does not hold its samples on the first axis; "
        "export the model with a dynamic batch axis"
    )
