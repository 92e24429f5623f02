"""Graphs as formats build them: names, facts, and the parts that no output needs."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import given, strategies as st

from prunus.evaluation.session import Session
from prunus.plugin import Binding, GraphBuilder


def dense(build: GraphBuilder, value: ir.Value, layer: str = "fc") -> ir.Value:
    """A fully connected layer 3 -> 2."""
    weight = build.weight(layer, "weight", np.ones((2, 3), np.float32), 0)
    bias = build.weight(layer, "bias", np.array([0.5, -0.5], np.float32), 1)
    return build.node(layer, "Gemm", [value, weight, bias], {"transB": 1}, shape=("N", 2))


def test_a_built_network_runs():
    build = GraphBuilder()
    value = dense(build, build.input("data", ("N", 3)))
    network = build.network("toy", [value], origin="file", name="small")
    session = Session(network.model)
    (result,) = session.run({"data": np.array([[1, 2, 3]], np.float32)}).values()
    np.testing.assert_array_equal(result, [[6.5, 5.5]])
    assert network.format == "toy"
    assert network.origin == "file"
    assert network.bindings == {
        "fc/weight": Binding("fc", "weight", 0),
        "fc/bias": Binding("fc", "bias", 1),
    }
    assert network.layers == {"fc": ("fc",)}
    assert network.model.graph.name == "small"


def test_python_integers_are_shape_operands():
    build = GraphBuilder()
    value = build.input("data", ("N", 4))
    shape = build.constant("r/shape", [0, 2, 2])
    network = build.network("toy", [build.node("r", "Reshape", [value, shape])])
    assert network.model.graph.initializers["r/shape"].dtype == ir.DataType.INT64
    assert network.bindings == {}


def test_layers_of_one_name_get_numbers():
    build = GraphBuilder()
    value = build.input("x", ("N", 3))
    first = build.node("x", "Relu", [value], shape=("N", 3))
    second = build.node("x", "Relu", [first], shape=("N", 3))
    network = build.network("toy", [second])
    assert (first.name, second.name) == ("x#2", "x#3")
    assert network.layers == {"x": ("x", "x#2")}


@given(st.lists(st.sampled_from(["a", "a#2", "a#3", "b"]), max_size=12))
def test_names_are_unique(names):
    build = GraphBuilder()
    build.input("data", ("N", 1))
    found = [build.constant(name, [1]).name for name in names]
    found += [build.input(name, ("N", 1)).name for name in names]
    assert len(set(found)) == len(found)


def test_a_name_is_free_after_renaming():
    build = GraphBuilder()
    value = build.node("conv", "Relu", [build.input("data", ("N", 1))])
    build.rename(value, "conv/inner")
    assert build.node("conv", "Relu", [value], name="relu", output="conv").name == "conv"
    build.rename(value, "conv")
    assert value.name == "conv#2"


def test_facts_follow_renamed_values():
    build = GraphBuilder()
    value = dense(build, build.input("data", ("N", 3)))
    build.freeze(value, "feeds opaque layer 'a'")
    build.freeze(value, "feeds opaque layer 'b'")
    build.freeze(value, "feeds opaque layer 'a'")
    build.restrict(value, 4)
    build.rename(value, "scores")
    network = build.network("toy", [value])
    assert network.frozen == {"scores": "feeds opaque layer 'a'; feeds opaque layer 'b'"}
    assert network.multiples == {"scores": 4}


def test_weights_that_the_file_holds_in_a_narrower_type():
    build = GraphBuilder()
    value = build.input("data", ("N", 3))
    weight = build.weight("fc", "weight", np.zeros((2, 3), np.float32), stored="float16")
    build.weight("dead", "weight", np.zeros((2, 3), np.float32), stored="float16")
    result = build.node("fc", "Gemm", [value, weight], {"transB": 1}, shape=("N", 2))
    assert build.network("toy", [result]).stored == {"fc/weight": "float16"}


def test_nothing_is_left_of_a_layer_that_no_output_needs():
    build = GraphBuilder()
    value = build.input("data", ("N", 3))
    other = build.input("other", ("N", 3))
    result = dense(build, value)
    dead = dense(build, other, "dead")
    build.freeze(dead, "never")
    build.restrict(dead, 2)
    network = build.network("toy", [result])
    graph = network.model.graph
    assert [v.name for v in graph.inputs] == ["data"]
    assert sorted(graph.initializers) == sorted(network.bindings) == ["fc/bias", "fc/weight"]
    assert network.layers == {"fc": ("fc",), "dead": ()}
    assert network.frozen == network.multiples == {}


def test_an_operator_with_several_outputs():
    build = GraphBuilder()
    value = build.input("data", ("N", 5))
    parts = build.nodes(
        "slice", "Split", [value, build.constant("slice/split", [2, 3])], {"axis": 1},
        shapes=[("N", 2), ("N", 3)], name="slice", outputs=["left", "right"],
    )  # fmt: skip
    network = build.network("toy", parts)
    (left, right) = (
        Session(network.model).run({"data": np.arange(5, dtype=np.float32)[None]}).values()
    )
    np.testing.assert_array_equal(left, [[0, 1]])
    np.testing.assert_array_equal(right, [[2, 3, 4]])


def test_shapes_and_names_must_be_as_many():
    build = GraphBuilder()
    value = build.input("data", ("N", 5))
    with pytest.raises(ValueError, match="zip"):
        build.nodes("s", "Split", [value], shapes=[("N", 2)], name="s", outputs=["a", "b"])


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        (True, ir.AttributeType.INT),
        (3, ir.AttributeType.INT),
        (0.5, ir.AttributeType.FLOAT),
        ([1, 2], ir.AttributeType.INTS),
        ("nearest", ir.AttributeType.STRING),
        ([0.5], ir.AttributeType.FLOATS),
        (ir.tensor(np.ones(2, np.float32)), ir.AttributeType.TENSOR),
    ],
)
def test_attributes_have_the_type_of_what_is_given(given, kind):
    build = GraphBuilder()
    value = build.node("l", "Any", [build.input("x", ("N", 1))], {"key": given})
    assert value.producer().attributes["key"].type == kind
