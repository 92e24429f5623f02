"""The engine ncnn, on networks of its own and on others."""

from __future__ import annotations

import pytest

pytest.importorskip("prunus_ncnn", reason="pip install -e examples/plugins/prunus-ncnn first")
pytest.importorskip("ncnn", reason="pip install --no-deps ncnn")
pytest.importorskip("pnnx", reason="pip install --no-deps pnnx")

from prunus_ncnn.engine import convert, load

import prunus
from prunus.plugin import Written, random_inputs
from prunus.testing import engine_checks
from prunus.testing.nets import NETS, as_network


@pytest.mark.parametrize("check", engine_checks("ncnn"), ids=str)
def test_conformance(check):
    check()


def test_layers_have_times_under_the_names_of_their_values(tmp_path):
    """pnnx gives layers and blobs names of its own, and ncnn has no profile."""
    network = as_network(NETS["squeezenet"](0))
    prunus.export(network, tmp_path / "net.onnx")
    files = convert(network, Written(tmp_path / "net.onnx", None), tmp_path)
    steps = load(network, files, 1).steps(random_inputs(network.model, 1, 0))
    convolutions = [node for node in network.model.graph if node.op_type == "Conv"]
    for node in convolutions:
        value = node.outputs[0]
        after = [use.node.outputs[0].name for use in value.uses()]  # an activation runs with it
        assert {value.name, *after} & steps.keys(), f"no time of {node.name}"
    assert sum(steps.values()) > 0
