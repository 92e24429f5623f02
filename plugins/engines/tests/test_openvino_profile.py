from __future__ import annotations

import pytest

import prunus
from prunus.plugin import Written, random_inputs
from prunus.testing.nets import NETS, as_network

pytestmark = pytest.mark.openvino
pytest.importorskip("prunus_engines", reason="prunus-engines is not installed")
pytest.importorskip("openvino", reason="OpenVINO is not installed")


def test_steps_have_times_under_the_names_of_values(tmp_path):
    from prunus_engines.openvino import prunus_convert, prunus_open

    network = as_network(NETS["squeezenet"](0))
    prunus.export(network, tmp_path / "net.onnx")
    files = prunus_convert("openvino", network, Written(tmp_path / "net.onnx", None), tmp_path)
    running = prunus_open("openvino", network, files, 1)
    assert running.steps is not None
    steps = running.steps(random_inputs(network.model, 1, 0))
    for node in network.model.graph:
        if node.op_type == "Conv":
            value = node.outputs[0]
            after = [use.node.outputs[0].name for use in value.uses()]  # done in the same step
            assert {value.name, *after} & steps.keys(), f"no time of {node.name}"
    assert sum(steps.values()) > 0
