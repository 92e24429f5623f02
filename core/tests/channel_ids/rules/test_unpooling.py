from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from prunus.channel_ids.rules import EVERY_OUTPUT, RULES, refuse, refuse_side_output, rule_for

POOL = ("MaxPool", ["c"], ["p", "places"], {"kernel_shape": [2, 2], "strides": [2, 2]})
BACK = ("MaxUnpool", ["p", "places"], ["y"], {"kernel_shape": [2, 2], "strides": [2, 2]})
MAP = {"y": (6, 4, 4)}

SEVERAL = [
    schema
    for schema in onnx.defs.get_all_schemas()
    if schema.max_output > 1 and not schema.deprecated
]


def graph_of(schema):
    """One node of an operator, all its outputs consumed by the graph."""
    count = min(schema.max_output, 4)
    inputs = [ir.Value(name=f"i{place}") for place in range(max(schema.min_input, 1))]
    outputs = [ir.Value(name=f"o{place}") for place in range(count)]
    node = ir.Node(schema.domain, schema.name, inputs, name="n", outputs=outputs)
    graph = ir.Graph(inputs, outputs, nodes=[node], opset_imports={"": 17})
    return graph, node


@pytest.mark.parametrize("schema", SEVERAL, ids=lambda schema: f"{schema.domain}{schema.name}")
def test_every_operator_of_several_outputs_is_refused_or_speaks_of_them_all(schema):
    graph, node = graph_of(schema)
    assert len(graph.outputs) > 1
    if (schema.domain, schema.name) in {("", name) for name in EVERY_OUTPUT}:
        assert rule_for(node) is RULES[schema.name]
    else:
        assert rule_for(node) in (refuse, refuse_side_output)


def test_the_standard_has_such_operators():
    assert {"MaxPool", "Dropout", "BatchNormalization", "LayerNormalization", "TopK", "GRU"} < {
        schema.name for schema in SEVERAL
    }


def test_an_unused_second_output_is_no_reason(label, after_conv):
    found = label(after_conv([("Dropout", ["c"], ["y", "mask"], {})], {"y": (6, 4, 4)}))
    assert found.frozen("c") == {"graph output"}


@pytest.mark.parametrize(
    ("operator", "attributes"),
    [("Dropout", {}), ("LayerNormalization", {"axis": 2})],
)
def test_channels_behind_a_consumed_second_output_stay(label, after_conv, operator, attributes):
    inputs = ["c"] if operator == "Dropout" else ["c", "g"]
    nodes = [(operator, inputs, ["d", "second"], attributes), ("Relu", ["d"], ["y"], {})]
    weights = {"g": np.ones((4, 4), np.float32)} if operator != "Dropout" else {}
    network = after_conv(nodes, {"y": (6, 4, 4), "second": (6, 4, 4)}, weights)
    if operator == "LayerNormalization":
        network.model.graph.outputs[1].shape = ir.Shape(["N", 6, 1, 1])
    else:
        network.model.graph.outputs[1].type = ir.TensorType(ir.DataType.BOOL)
    assert label(network).frozen("c") == {"'d' gives a second output 'second' too"}


def behind(after_conv, back, outputs=None, weights=None):
    last = ("Conv", ["u", "l/weight"], ["y"], {"kernel_shape": [1, 1]})
    arrays = {"l/weight": np.ones((3, 6, 1, 1), np.float32), **(weights or {})}
    return after_conv([POOL, *back, last], outputs or {"y": (3, 4, 4)}, arrays)


def unpooled(**changes):
    operator, inputs, _, attributes = BACK
    return (operator, changes.get("inputs", inputs), ["u"], attributes)


def test_unpooling_loses_the_channels_of_its_pooling(label, after_conv):
    found = label(behind(after_conv, [unpooled()]))
    assert found.frozen("c") == {""}
    assert found.channels("u") == found.channels("c") == found.channels("places")


def test_indices_into_another_size_stay(label, after_conv):
    sizes = {"s": np.array([1, 6, 5, 5], np.int64)}
    network = behind(
        after_conv, [unpooled(inputs=["p", "places", "s"])], {"y": (3, 5, 5)}, weights=sizes
    )
    assert label(network).frozen("c") == {"'p' gives indices 'places' of all channels"}


def test_indices_that_anything_else_reads_stay(label, after_conv):
    nodes = [unpooled(), ("Cast", ["places"], ["z"], {"to": 1})]
    network = behind(after_conv, nodes, {"y": (3, 4, 4), "z": (6, 2, 2)})
    assert label(network).frozen("c") == {"'p' gives indices 'places' of all channels"}
