from __future__ import annotations

import numpy as np
import pytest

from prunus.descriptors import Format
from prunus.errors import PluginError
from prunus.graph.attributes import attribute_fault
from prunus.graph.builder import GraphBuilder
from prunus.hookspecs import hookimpl
from prunus.host import Host
from prunus.testing.nets import NETS, as_network


def network(operator, attributes, name="p1/pool"):
    """A convolution, and one more node of a layer p1."""
    build = GraphBuilder()
    data = build.input("data", ("N", 3, 8, 8))
    weight = build.weight("c1", "weight", np.ones((4, 3, 3, 3), np.float32))
    value = build.node("c1", "Conv", [data, weight])
    return build.network("clay", [build.node("p1", operator, [value], attributes, name=name)])


@pytest.mark.parametrize(
    ("operator", "attributes", "said"),
    [
        ("MaxPool", {}, "MaxPool without its attribute 'kernel_shape'"),
        ("Concat", {}, "Concat without its attribute 'axis'"),
        ("LRN", {"alpha": 0.1}, "LRN without its attribute 'size'"),
        ("Relu", {"slope": 0.1}, "Relu with the attribute 'slope' (it may have none)"),
        (
            "Reshape",
            {"shape": [-1, 4]},
            "Reshape with the attribute 'shape' (it may have allowzero)",
        ),
    ],
)
def test_a_plugin_s_graph_names_the_guilty_layer(operator, attributes, said):
    found = network(operator, attributes)
    assert attribute_fault(found.model) == ("p1/pool", said)

    class Clay:
        @hookimpl
        def prunus_register(self):
            return (Format("clay", "baked", lambda path: False),)

        @hookimpl
        def prunus_load(self):
            return found

    with pytest.raises(PluginError) as caught:
        Host([(Clay(), "acme 1.0")]).call(Format, "clay", "prunus_load", source=None)
    assert str(caught.value) == (
        f"format 'clay' of acme 1.0 gave no usable answer to prunus_load: layer 'p1' is a {said} "
        "instead of a graph that ONNX defines"
    )


def test_sound_graphs_have_no_fault():
    assert attribute_fault(network("MaxPool", {"kernel_shape": [2, 2]}).model) is None
    for make in NETS.values():
        assert attribute_fault(as_network(make(0)).model) is None


def test_operators_of_others_are_left_aside():
    found = network("Relu", {"slope": 0.1})
    node = next(node for node in found.model.graph if node.op_type == "Relu")
    node.domain = "org.clay"
    assert attribute_fault(found.model) is None
    node.domain, node.op_type = "", "NoSuchOperator"
    assert attribute_fault(found.model) is None
