from __future__ import annotations

import subprocess
import sys

import attrs
import numpy as np
import onnx_ir as ir
import pytest

from prunus.graph.digest import structure_digest, weights_digest
from prunus.testing.nets import as_network
from prunus.testing.nets.plain import vgg


def test_weights_change_only_the_weights_digest(lenet):
    other = lenet.with_weights({"ip2/bias": lenet.weights()["ip2/bias"] + 1})
    assert structure_digest(other) == structure_digest(lenet)
    assert weights_digest(other) != weights_digest(lenet)


def changed(network, change):
    model = network.model.clone()
    change({node.name: node for node in model.graph}, model.graph)
    return attrs.evolve(network, model=model)


def stride(nodes, graph):
    nodes["pool1"].attributes["strides"] = ir.AttrInt64s("strides", [1, 1])


def operator(nodes, graph):
    nodes["relu1"].op_type = "Sigmoid"


def connection(nodes, graph):
    nodes["ip2"].replace_input_with(0, nodes["ip1"].outputs[0])


def size(nodes, graph):
    graph.inputs[0].shape = ir.Shape(["N", 1, 14, 14])


@pytest.mark.parametrize("change", [stride, operator, connection, size])
def test_whatever_changes_the_function_changes_the_structure_digest(lenet, change):
    assert structure_digest(changed(lenet, change)) != structure_digest(lenet)


def test_clones_are_equal(lenet):
    assert structure_digest(changed(lenet, lambda *_: None)) == structure_digest(lenet)


def test_another_process_finds_the_same():
    """Stored results are keyed by it: neither memory addresses nor hashes may come in."""
    code = (
        "from prunus.graph.digest import *; from prunus.testing.nets import as_network;"
        "from prunus.testing.nets.plain import vgg; n = as_network(vgg(3));"
        "print(structure_digest(n), weights_digest(n))"
    )
    network = as_network(vgg(3))
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split() == [structure_digest(network), weights_digest(network)]


def test_equal_bytes_under_another_name(build):
    def one(name):
        return build([("Identity", ["x"], ["y"], {})], {name: np.ones(3, np.float32)}, {"x": (3,)}, {"y": (3,)})  # fmt: skip

    assert weights_digest(one("a")) != weights_digest(one("b"))
