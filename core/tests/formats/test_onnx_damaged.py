"""Files that ONNX Runtime refuses, or would run for hours, are refused when they are read."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from prunus.errors import ModelError, PrunusError
from prunus.formats.onnx_read import read_onnx


def classifier():
    """conv c1, relu r1, flatten fl, fully connected fc."""
    draw = np.random.default_rng(0)

    def weight(name, *shape):
        return numpy_helper.from_array(draw.standard_normal(shape).astype(np.float32), name)

    def info(name, shape):
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    nodes = [
        helper.make_node("Conv", ["x", "w", "b"], ["a"], "c1", strides=[1, 1], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["a"], ["r"], "r1"),
        helper.make_node("Flatten", ["r"], ["f"], "fl"),
        helper.make_node("Gemm", ["f", "g", "gb"], ["y"], "fc", transB=1),
    ]
    weights = [weight("w", 4, 3, 3, 3), weight("b", 4), weight("g", 5, 64), weight("gb", 5)]
    ends = [info("x", ["N", 3, 4, 4])], [info("y", ["N", 5])]
    graph = helper.make_graph(nodes, "net", *ends, weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def attribute(model, node, name):
    return next(a for a in model.graph.node[node].attribute if a.name == name)


def zeros(name, count):
    return numpy_helper.from_array(np.zeros(count, np.float32), name)


def no_data(model):
    model.graph.initializer[0].ClearField("raw_data")


def other_dims(model):
    model.graph.initializer[0].dims[0] = 10**12


def negative_dims(model):
    model.graph.initializer[0].dims[0] = -4


def unknown_type(model):
    model.graph.initializer[0].data_type = 77


def there_twice(model):
    model.graph.initializer.append(model.graph.initializer[0])


def long_bias(model):
    model.graph.initializer[1].CopyFrom(zeros("b", 7))


def long_bias_of_gemm(model):
    model.graph.initializer[3].CopyFrom(zeros("gb", 7))


def strange_flag(model):
    attribute(model, 3, "transB").i = 7


def lost_flag(model):
    attribute(model, 3, "transB").i = 0


def no_stride(model):
    attribute(model, 0, "strides").ints[0] = 0


def no_dilation(model):
    model.graph.node[0].attribute.append(helper.make_attribute("dilations", [1, 0]))


def three_groups(model):
    model.graph.node[0].attribute.append(helper.make_attribute("group", 3))


def future(model):
    model.opset_import[0].version = 9999


def circle(model):
    model.graph.node[1].input[0] = "f"


def missing_value(model):
    model.graph.node[1].input[0] = "nowhere"


def missing_output(model):
    model.graph.output[0].name = "nothing"


def two_inputs(model):
    model.graph.node[1].input.append("a")


def whole(name, numbers):
    return numpy_helper.from_array(np.array(numbers, np.int64), name)


def after(model, weights, *nodes):
    """More layers behind the classifier, the last of which makes ``z``."""
    model.graph.initializer.extend(weights)
    model.graph.node.extend(nodes)
    model.graph.output[0].name = "z"


def long_range(model):
    node = helper.make_node
    after(
        model,
        [whole("from", 0), whole("to", 10**10), whole("step", 1)],
        node("Range", ["from", "to", "step"], ["numbers"], "count"),
        node("ReduceMax", ["numbers"], ["m"], keepdims=0),
        node("Cast", ["m"], ["c"], to=1),
        node("Mul", ["y", "c"], ["z"]),
    )


def long_computed_range(model):
    node = helper.make_node
    ends = [
        numpy_helper.from_array(np.float32(n), name)
        for name, n in zip("nes", (0, 25, 1), strict=True)
    ]
    after(
        model,
        ends,
        node("Exp", ["e"], ["far"]),
        node("Range", ["n", "far", "s"], ["numbers"], "count"),
        node("ReduceMax", ["numbers"], ["m"], keepdims=0),
        node("Mul", ["y", "m"], ["z"]),
    )


def large_constant(model):
    node = helper.make_node
    after(
        model,
        [whole("sizes", [10**5, 10**5])],
        node("ConstantOfShape", ["sizes"], ["numbers"], "fill"),
        node("ReduceMax", ["numbers"], ["m"], keepdims=0),
        node("Mul", ["y", "m"], ["z"]),
    )


def large_padding(model):
    pads = whole("pads", [0, 10**10, 0, 0])
    after(model, [pads], helper.make_node("Pad", ["y", "pads"], ["z"], "pad"))


AGAIN = "is the file damaged? export the model again"
LARGE = "more than any machine should try; is the file damaged? export the model again, or with a smaller input"
REFUSES = "ONNX Runtime refuses the network: layer"
VERBOSE = "see --verbose; export the model again"

MESSAGES = {
    no_data: f"initializer 'w' holds 0 numbers, its shape 4x3x3x3 says 108; {AGAIN}",
    other_dims: f"initializer 'w' holds 108 numbers, its shape 1000000000000x3x3x3 says 27,000,000,000,000; {AGAIN}",
    negative_dims: f"initializer 'w' has a negative size; {AGAIN}",
    unknown_type: f"initializer 'w' has the unknown type 77; {AGAIN}",
    there_twice: f"initializer 'w' is there 2 times; {AGAIN}",
    long_bias: "layer 'c1' (Conv): a bias of 7 for 4 channels; export the model again",
    long_bias_of_gemm: "layer 'fc' (Gemm): a bias of 7 for 5 outputs; export the model again",
    strange_flag: "layer 'fc' (Gemm): transB is 7, not 0 or 1; export the model again",
    no_stride: "layer 'c1' (Conv): strides is [0, 1], each must be 1 or more; export the model again",
    no_dilation: "layer 'c1' (Conv): dilations is [1, 0], each must be 1 or more; export the model again",
    three_groups: "layer 'c1' (Conv): 3 groups for 4 filters; export the model again",
    future: f"opset 9999 does not exist (1 to {onnx.defs.onnx_opset_version()} do); {AGAIN}",
    circle: f"layer 'r1' feeds itself; {AGAIN}",
    missing_value: f"layer 'r1' (Relu) reads 'nowhere', which nothing makes; {AGAIN}",
    missing_output: f"nothing makes the output 'nothing'; {AGAIN}",
    two_inputs: f"{REFUSES} 'r1' (Relu): it has too many or too few inputs or outputs; {VERBOSE}",
    long_range: f"layer 'count' holds 10,000,000,000 numbers for one sample, {LARGE}",
    long_computed_range: f"layer 'count' holds 72,004,894,720 numbers for one sample, {LARGE}",
    large_constant: f"layer 'fill' holds 10,000,000,000 numbers for one sample, {LARGE}",
    large_padding: f"layer 'pad' holds 10,000,000,005 numbers for one sample, {LARGE}",
}


@pytest.mark.parametrize("damage", MESSAGES, ids=lambda damage: damage.__name__)
def test_damage_is_named(tmp_path, damage):
    model = classifier()
    damage(model)
    (tmp_path / "net.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(ModelError) as caught:
        read_onnx(tmp_path / "net.onnx", None)
    assert str(caught.value) == f"{tmp_path / 'net.onnx'}: {MESSAGES[damage]}"


def test_a_weight_that_lies_the_other_way(tmp_path):
    """ONNX Runtime 1.32 refuses it, 1.23 takes it: there it is refused here."""
    model = classifier()
    lost_flag(model)
    (tmp_path / "net.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(ModelError) as caught:
        read_onnx(tmp_path / "net.onnx", None)
    assert str(caught.value).removeprefix(f"{tmp_path / 'net.onnx'}: ") in (
        f"{REFUSES} 'fc' (Gemm): sizes do not fit each other; {VERBOSE}",
        "layer 'fc' (Gemm): a weight for 5 inputs, the data has 64; export the model again",
    )


@pytest.mark.parametrize(
    ("name", "where"),
    [
        (b"Relu", "node 1: its operator"),
        (b"r1", "node 1: its name"),
        (b"pads", "node 0: the name of an attribute"),
        (b"net", "the graph's name"),
    ],
)
def test_names_that_are_no_text(tmp_path, name, where):
    bad = classifier().SerializeToString().replace(name, b"\xff" * len(name))
    (tmp_path / "net.onnx").write_bytes(bad)
    with pytest.raises(ModelError) as caught:
        read_onnx(tmp_path / "net.onnx", None)
    assert str(caught.value) == f"{tmp_path / 'net.onnx'}: {where} is not UTF-8 text; {AGAIN}"


@pytest.mark.parametrize("key", ["location", "offset"])
def test_external_data_that_is_no_text(tmp_path, key):
    model = classifier()
    onnx.save_model(
        model, tmp_path / "net.onnx", save_as_external_data=True, size_threshold=0, location="w"
    )
    outside = onnx.load(tmp_path / "net.onnx", load_external_data=False)
    entry = next(e for e in outside.graph.initializer[0].external_data if e.key == key)
    entry.value = "7777777777"
    bad = outside.SerializeToString().replace(b"7777777777", b"\xff" * 10)
    (tmp_path / "net.onnx").write_bytes(bad)
    name = outside.graph.initializer[0].name
    with pytest.raises(ModelError) as caught:
        read_onnx(tmp_path / "net.onnx", None)
    assert str(caught.value) == (
        f"{tmp_path / 'net.onnx'}: the external data of an initializer '{name}' is not UTF-8 "
        f"text; {AGAIN}"
    )


@pytest.mark.parametrize("seed", range(8))
def test_changed_bytes_are_read_or_refused(tmp_path, seed):
    draw = np.random.default_rng(seed)
    whole_file = bytearray(classifier().SerializeToString())
    for _ in range(25):
        damaged = bytearray(whole_file)
        for place in draw.integers(0, len(damaged), draw.integers(1, 4)):
            damaged[place] = draw.integers(256)
        (tmp_path / "net.onnx").write_bytes(damaged)
        try:
            read_onnx(tmp_path / "net.onnx", None)
            continue
        except PrunusError as error:
            message = str(error)
        assert str(tmp_path / "net.onnx") in message
        assert "\n" not in message


@pytest.mark.parametrize("key", ["location", "offset", "length"])
@pytest.mark.parametrize("value", ["", "None", "x", "-1", "1.5", "9" * 400, "9" * 5000, "a\0b"])
def test_places_of_external_weights_that_are_none(tmp_path, key, value):
    path = tmp_path / "m.onnx"
    how = {"save_as_external_data": True, "location": "m.data", "size_threshold": 0}
    onnx.save(classifier(), path, **how)
    model = onnx.load(path, load_external_data=False)
    for entry in model.graph.initializer[0].external_data:
        if entry.key == key:
            entry.value = value
    path.write_bytes(model.SerializeToString())
    with pytest.raises(ModelError) as caught:
        read_onnx(path, None)
    if key == "location":
        assert str(caught.value).startswith(f"{path}: ")
    else:
        assert str(caught.value) == (
            f"{path}: initializer 'w': the {key} of its external data is '{value[:20]}', which is "
            f"no number of bytes; {AGAIN}"
        )


@pytest.mark.parametrize("place", ["input", "value_info"])
@pytest.mark.parametrize("size", [{}, {"dim_param": "None"}, {"dim_param": "3 4"}])
def test_sizes_of_weights_that_a_file_leaves_open(tmp_path, place, size):
    """Shapes stated beside weights are no facts: the numbers are."""
    path, model = tmp_path / "m.onnx", classifier()
    for tensor in model.graph.initializer:
        info = helper.make_tensor_value_info(tensor.name, TensorProto.FLOAT, tensor.dims)
        info.type.tensor_type.shape.dim[0].Clear()
        for name, value in size.items():
            setattr(info.type.tensor_type.shape.dim[0], name, value)
        getattr(model.graph, place).append(info)
    onnx.save(model, path)
    assert read_onnx(path, None).model.graph.initializers["w"].shape == (4, 3, 3, 3)
